"""A quantized copy from one option to a page: really quantized, published beside the model, and served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download

from spacehand.hub.digests import Digests
from tests.conftest import HubProcess
from tests.training import training_python

TINY = Path(__file__).parents[1] / "apps/voxtral_asr/tiny_models.py"
_OPTIONS = ("--variant", "int8", "--json", "--yes")


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
def test_the_copy_is_what_the_page_serves(tmp_path: Path):
    """
    `ship --variant int8` of a tiny Voxtral: the card has both hashes, and the page answers with the copy's.
    """
    making = [training_python(), TINY, tmp_path]
    subprocess.run(making, check=True, capture_output=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    hub = HubProcess(tmp_path / "hub", arguments=("--any-python",)).start()
    try:
        told = {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "SPACEHAND_HOME": str(tmp_path / "home")}
        done = subprocess.run(
            [sys.executable, "-m", "spacehand", "ship", tmp_path / "voxtral", *_OPTIONS],
            env=os.environ | told,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        shipped = json.loads(done.stdout)
        there = {
            path: Path(
                hf_hub_download("ada/voxtral", path, endpoint=hub.url, token=False, cache_dir=tmp_path)
            )
            for path in ("README.md", "model.safetensors", "int8/model.safetensors", "int8/config.json")
        }
    finally:
        hub.stop()

    whole, copy = (Digests().sha256(there[f"{folder}model.safetensors"]) for folder in ("", "int8/"))
    assert shipped["weights_sha256"] == shipped["served_weights_sha256"] == copy
    assert shipped["transcript"]
    assert there["int8/model.safetensors"].stat().st_size < there["model.safetensors"].stat().st_size
    assert (
        json.loads(there["int8/config.json"].read_text())["quantization_config"]["quant_method"] == "torchao"
    )
    card = there["README.md"].read_text()
    assert "## Quantized" in card
    assert whole in card
    assert copy in card
