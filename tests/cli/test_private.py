"""What a private model's demo needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from tests.conftest import HubProcess


def _spacehand(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SPACEHAND_HOME": str(home)}
    command = [sys.executable, "-m", "spacehand", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_read_token_reads_and_nothing_else(fresh_hub: HubProcess):
    """
    `hub token --read` opens private repositories and changes none.
    """
    fresh_hub.start()
    fresh_hub.api.create_repo("closed", private=True)
    token = _spacehand(fresh_hub.data, "hub", "token", "--read").stdout.strip()
    reader = HfApi(endpoint=fresh_hub.url, token=token)

    assert token != fresh_hub.token
    assert reader.model_info("ada/closed").private
    with pytest.raises(HfHubHTTPError, match="403"):
        reader.create_repo("mine")


def test_a_private_demo_asks_for_its_token_before_anything_moves(tmp_path: Path):
    """
    Without a token that may read the model, nothing is published and no Hub is started.
    """
    run = _spacehand(tmp_path / "home", "ship", str(tmp_path), "--private")

    assert run.returncode == 2
    assert "needs a token that may read it" in run.stderr
    assert "hint: " in run.stderr
    assert not (tmp_path / "home").exists()
