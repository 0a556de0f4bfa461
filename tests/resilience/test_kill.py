"""`kill -9` of the Hub at random moments: nothing acknowledged is lost, nothing half-made is left."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from huggingface_hub import CommitOperationAdd
from tests import needs
from tests.conftest import HubProcess
from tests.resilience.disasters import Scene, in_mid_commit, in_mid_push, in_mid_upload, in_mid_xet
from tests.resilience.ledger import Ledger, builds, orphans, require_sound

from spacehand.localhub.store.place import Place

SPACE = "ada/demo"
README = "---\nsdk: gradio\nsdk_version: 6.31.0\n---\n"
APP = """
import gradio as gr
with gr.Blocks() as demo:
    gr.Markdown("number {number}")
demo.launch()
"""


@pytest.fixture
def scene(fresh_hub: HubProcess, tmp_path: Path) -> Scene:
    """A Hub that is about to die; the seed is printed, and may be given as SPACEHAND_SEED."""
    seed = int(os.environ.get("SPACEHAND_SEED", random.randrange(10**6)))  # noqa: S311 - not secret
    print(f"SPACEHAND_SEED={seed}")
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    return Scene(fresh_hub.start(), Ledger(fresh_hub), chance, tmp_path)


def settled(scene: Scene) -> None:
    """Start the Hub that a disaster has left dead, and hold it to everything it has acknowledged."""
    scene.hub.start()
    assert [path.name for path in (scene.hub.data / "incoming").iterdir()] == []
    assert orphans(scene.hub) == []
    scene.ledger.check()
    require_sound(scene.hub.data)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_while_data_comes_in(scene: Scene):
    """
    At ten random points of uploads, commits and pushes, nothing acknowledged is lost, nothing half is kept.
    """
    scene.hub.api.create_repo(scene.repo)
    disasters: list[Callable[[Scene], None]] = [in_mid_upload, in_mid_xet, in_mid_commit, in_mid_push] * 2
    for disaster in [*disasters, in_mid_commit, in_mid_push]:
        disaster(scene)
        settled(scene)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
def test_killed_while_a_space_comes_up(scene: Scene):
    """
    At ten random points of build, start and swap: what was pushed last runs after the next start, with its
    settings, and no process of an earlier Hub is left but the app that goes on.
    """
    api = scene.hub.api
    api.create_repo(
        SPACE, repo_type="space", space_sdk="gradio", space_secrets=[{"key": "KEY", "value": "x"}]
    )
    scene.ledger.secrets[SPACE] = {"KEY"}
    for number in range(10):
        api = scene.hub.api
        api.add_space_variable(SPACE, f"NUMBER_{number}", str(number))
        scene.ledger.variables.setdefault(SPACE, {})[f"NUMBER_{number}"] = str(number)
        head = _push(scene, number)
        # The first meets the build of a layer; every third Hub is killed again while it comes back.
        _until_moment(scene, head, scene.chance.uniform(0, 4 if number < 2 else 9))
        before = builds(scene.hub)
        scene.hub.kill()
        assert psutil.wait_procs(before, timeout=15)[1] == []
        settled(scene)
        if number % 3 != 1:
            _runs(scene, head)
    _runs(scene, head)
    assert orphans(scene.hub) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("engine", "lives"), [("process", "35"), pytest.param("sandbox", "15", marks=pytest.mark.sandbox)]
)
def test_killed_again_and_again(engine: str, lives: str):
    """
    At fifty random points of build, start, swap and sleep: each next Hub has no orphan, runs what was pushed
    last, and has every line of the log once.
    """
    if engine == "sandbox":
        needs.bwrap()
    seed = os.environ.get("SPACEHAND_SEED", str(random.randrange(10**6)))  # noqa: S311 - not secret
    print(f"SPACEHAND_SEED={seed}")
    root = Path(tempfile.mkdtemp(prefix="spacehand-lives-"))
    root.chmod(0o755)
    place = Place(root / "hub")
    place.create()
    program = [sys.executable, "-m", "tests.resilience.lives", str(place.root), engine, seed, lives]
    try:
        subprocess.run(program, check=True, cwd=Path(__file__).parents[2], timeout=500)
    finally:
        shutil.rmtree(root)


def _push(scene: Scene, number: int) -> str:
    files = {"README.md": README.encode(), "app.py": APP.format(number=number).encode()}
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    commit = scene.hub.api.create_commit(SPACE, operations, repo_type="space", commit_message=str(number))
    scene.ledger.note_files("space", SPACE, str(commit.oid), files)
    return str(commit.oid)


def _until_moment(scene: Scene, head: str, seconds: float) -> None:
    """Return after *seconds*, or when *head* runs already."""
    moment = time.monotonic() + seconds
    while time.monotonic() < moment:
        runtime = scene.hub.api.get_space_runtime(SPACE).raw
        if runtime["stage"] == "RUNNING" and runtime.get("sha") == head:
            return
        time.sleep(0.02)


def _runs(scene: Scene, head: str) -> None:
    deadline = time.monotonic() + 120
    runtime: dict[str, Any] = {}
    while not (runtime.get("stage") == "RUNNING" and runtime.get("sha") == head):
        assert time.monotonic() < deadline, runtime
        assert "ERROR" not in runtime.get("stage", ""), runtime.get("errorMessage")
        runtime = scene.hub.api.get_space_runtime(SPACE).raw
        time.sleep(0.1)
