"""Publishing a 10 GB model folder in which nothing changed, beside the official client's own uploads."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.figure import Figure, in_turn, seconds
from benchmarks.hubs import BenchHub, local_hub

GIB = 1 << 30
SHARDS = 10
ROUNDS = 2  # the peer reads and hashes 10 GB in each round


def run() -> list[Figure]:
    """Publish once, then time the second publish beside ``upload_folder`` (2.x has no other)."""
    with tempfile.TemporaryDirectory() as folder, local_hub() as hub:
        model = Path(folder) / "model"
        write_sparse_model(model)
        publish = _publisher(hub, model, Path(folder) / "home")
        publish()
        mine, theirs = in_turn(
            ROUNDS,
            lambda: seconds(publish),
            lambda: seconds(lambda: hub.api.upload_folder(repo_id="bench/unchanged", folder_path=model)),
        )
    note = "Ours is the whole command; the peer's imports are not counted"
    return [Figure("Unchanged publish of a 10 GB folder", "`upload_folder`", mine, theirs, 0.05, note=note)]


def write_sparse_model(model: Path) -> None:
    """Write *SHARDS* safetensors files of 1 GiB each, holes but for their headers, and their index."""
    model.mkdir()
    (model / "config.json").write_text(
        json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]})
    )
    weights = {}
    for number in range(1, SHARDS + 1):
        name = f"model-{number:05}-of-{SHARDS:05}.safetensors"
        tensor = f"layer.{number}.weight"
        data = GIB - 8 - 200
        header = json.dumps({tensor: {"dtype": "U8", "shape": [data], "data_offsets": [0, data]}}).ljust(200)
        with (model / name).open("wb") as file:
            file.write(struct.pack("<Q", len(header)) + header.encode())
            file.truncate(GIB)
        weights[tensor] = name
    index = {"metadata": {"total_size": SHARDS * GIB}, "weight_map": weights}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))


def _publisher(hub: BenchHub, model: Path, home: Path) -> Callable[[], None]:
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "SPACEHAND_HOME": str(home)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # the peer's modules are compiled in memory, too
    command = [sys.executable, "-m", "spacehand", "publish", str(model), "bench/unchanged", "--quiet"]

    def publish() -> None:
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)

    return publish
