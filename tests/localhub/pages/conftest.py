"""A Hub with a model, a dataset and a Space on it."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator

import pytest
from huggingface_hub import CommitOperationAdd
from tests.localhub.spaces.scripted import ScriptedHub, scripted_hub

MODEL_CARD = """---
license: apache-2.0
language: [en, de]
pipeline_tag: automatic-speech-recognition
---
# Tiny

See [the config](config.json), [the site](https://example.org) and [all](/models).

![curve](plots/loss.png) ![badge](https://img.example/badge.svg)

<script>alert(1)</script><b onclick="alert(1)">bold</b><a href="javascript:alert(1)">link</a>
<iframe src="https://example.org"></iframe><style>body{display:none}</style>
"""
SPACE_CARD = """---
title: Dictation <b>
emoji: 🎙️
colorFrom: indigo
colorTo: pink
sdk: gradio
short_description: Speak & read
base_path: /sub
---
"""


def safetensors() -> bytes:
    """Two tensors' header, and as many bytes as they need."""
    tensors = {
        "__metadata__": {"format": "pt"},
        "weight": {"dtype": "BF16", "shape": [1000, 1000], "data_offsets": [0, 2_000_000]},
        "bias": {"dtype": "F32", "shape": [240], "data_offsets": [2_000_000, 2_000_960]},
    }
    header = json.dumps(tensors).encode()
    return struct.pack("<Q", len(header)) + header + bytes(2_000_960)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedHub]:
    """One Hub for the tests of a file, which only look at it."""
    with scripted_hub(tmp_path_factory.mktemp("pages") / "data") as hub:
        fill(hub)
        yield hub


def fill(hub: ScriptedHub) -> None:
    api = hub.api
    api.create_repo("ada/tiny")
    files = {
        "README.md": MODEL_CARD.encode(),
        "config.json": b'{"a": "<script>"}\n',
        "model.safetensors": safetensors(),
        "plots/loss.png": b"\x89PNG\r\n\x1a\n",
        "blob.bin": b"\0\1",
        "odd #name?.txt": b"odd\n",
    }
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    api.create_commit("ada/tiny", operations, commit_message="Publish <the> model\n\nWith its card")
    api.create_branch("ada/tiny", branch="a/branch")
    api.create_repo("ada/hidden", private=True)
    api.create_repo("ada/clips", repo_type="dataset")
    hub.space("dictation")
    api.upload_file(
        path_or_fileobj=SPACE_CARD.encode(),
        path_in_repo="README.md",
        repo_id="ada/dictation",
        repo_type="space",
    )
    hub.space(
        "floating",
        space_variables=[{"key": "GREETING", "value": "Hello <b>", "description": "Said first"}],
        space_secrets=[{"key": "API_KEY", "value": "s3cr3t-value", "description": "For the model"}],
    )
    api.upload_file(
        path_or_fileobj=b"---\nsdk: gradio\nheader: mini\nfullWidth: false\ndisable_embedding: true\n---\n",
        path_in_repo="README.md",
        repo_id="ada/floating",
        repo_type="space",
    )
    api.create_repo("ada/closed", repo_type="space", space_sdk="gradio", private=True)
    api.create_bucket("ada/data")
    sent = [(b"a,b\n", "tables/ä #1.csv"), (b"<script>alert(1)</script>", "notes.html")]
    api.batch_bucket_files("ada/data", add=sent)
    api.create_bucket("ada/diary", private=True)
    hub.runner.extra = {
        "spacehand": {"fidelity": "sandbox", "differences": ["Python 3.11 in place of 3.10"], "serving": None}
    }
