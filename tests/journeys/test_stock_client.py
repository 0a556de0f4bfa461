"""The unmodified official client, given only HF_ENDPOINT and a token, lives through a Space's whole life."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import HubProcess

SCRIPT = Path(__file__).with_name("stock_client.py")
CANARY = "canary-5d1f8e7a-must-never-be-seen"


@pytest.mark.network
@pytest.mark.timeout(240)
def test_a_space_lives_its_whole_life(local_hub: HubProcess, tmp_path: Path, name: str):
    """
    Create with settings, push, predict, change a variable, pause, restart and delete work as on the Hub.
    """
    environment = os.environ | {"HF_ENDPOINT": local_hub.url, "HF_TOKEN": local_hub.token}
    source = tmp_path / "source"
    source.mkdir()
    run = subprocess.run(
        [sys.executable, SCRIPT, name, source, CANARY],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr + local_hub.log
    seen = json.loads(run.stdout.splitlines()[-1])

    assert seen["stage"] == "RUNNING", seen["build log"] + seen["run log"]
    assert seen["sha"] == seen["head"]
    assert seen["host"].startswith("http://127.0.0.1:")
    assert seen["answer"] == f"Ada hello {len(CANARY)}"
    assert seen["answer after the change"] == f"Ada good evening {len(CANARY)}"
    assert seen["paused"] == "PAUSED"
    assert seen["answer after the restart"] == f"Ada good evening {len(CANARY)}"
    assert "===== Build Queued at" in seen["build log"]
    assert "===== Application Startup at" in seen["run log"]
    assert seen["exists"] is False
    assert CANARY not in run.stdout + run.stderr + local_hub.log
    for file in local_hub.data.glob("*.sqlite*"):
        assert CANARY.encode() not in file.read_bytes(), file
