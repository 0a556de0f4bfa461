"""DeepISLES by a container that obeys its contract, in a real docker daemon, and what can go wrong."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.apps.stroke_lesion.test_inside import python
from tests.dockerd import Dockerd

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
BEHAVIOURS = ("good", "empty", "nothing", "fails", "one-failed", "hang")

pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.network, pytest.mark.timeout(900)]
__all__ = ["python"]  # a fixture


@pytest.fixture(scope="module")
def outcomes(dockerd: Dockerd, python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of one case with each behaviour of the container."""
    context = tmp_path_factory.mktemp("stand-in")
    (context / "stand_in.py").write_bytes((HERE / "stand_in.py").read_bytes())
    for behaviour in BEHAVIOURS:
        entry = json.dumps(["python", "/app/stand_in.py", behaviour])
        (context / "Dockerfile").write_text(f"FROM python:3.11\nCOPY stand_in.py /app/\nENTRYPOINT {entry}\n")
        dockerd.run("build", "--tag", f"stand-in:{behaviour}", str(context))
    images = [f"stand-in:{behaviour}" for behaviour in BEHAVIOURS]
    environment = os.environ | {"DOCKER_HOST": dockerd.host, "PYTHONPATH": str(ROOT)}
    words = [python, HERE / "ask_containers.py", tmp_path_factory.mktemp("case"), *images]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not dockerd.run("ps", "--all", "--quiet").stdout.strip()
    return {image.rpartition(":")[2]: facts for image, facts in json.loads(done.stdout).items()}


def test_a_result_is_the_containers(outcomes: dict[str, Any]):
    """
    A container that works gives its own mask, by the ensemble's three models, and never the reference's file.
    """
    facts = outcomes["good"]

    assert facts["dice"] > 0.95
    assert facts["contributed"] == ["SEALS", "NVAUTO", "FACTORIZER"]
    assert facts["output_sha256"] != facts["inputs_sha256"]["reference"]


def test_an_empty_mask_is_zero(outcomes: dict[str, Any]):
    """
    Nothing found where there is something is a Dice of 0.0.
    """
    assert outcomes["empty"]["dice"] == 0.0
    assert outcomes["empty"]["volume_ml"] == 0.0


def test_no_output_is_an_error(outcomes: dict[str, Any]):
    """
    A container that ends well and leaves nothing is an error, not a result.
    """
    assert outcomes["nothing"]["error"] == "EngineError"
    assert "left no `results/lesion_msk.nii.gz`" in outcomes["nothing"]["message"]


def test_a_failure_is_an_error_with_its_reason(outcomes: dict[str, Any]):
    """
    An exit code is an error, with the last words of the log.
    """
    assert outcomes["fails"]["error"] == "EngineError"
    assert "exit code 1" in outcomes["fails"]["message"]
    assert "no kernel image" in outcomes["fails"]["message"]


def test_a_failed_model_is_labelled(outcomes: dict[str, Any]):
    """
    When only SEALS was left, the result says SEALS.
    """
    assert outcomes["one-failed"]["contributed"] == ["SEALS"]
    assert "Not the ensemble" in outcomes["one-failed"]["notes"][-1]


def test_a_hang_is_stopped(outcomes: dict[str, Any]):
    """
    A container that does not end is stopped, and gone.
    """
    assert outcomes["hang"]["error"] == "EngineTimeout"


@pytest.mark.parametrize("how", ["cancelled", "killed"])
@pytest.mark.usefixtures("outcomes")  # the images are built
def test_no_container_outlives_its_job(how: str, dockerd: Dockerd, python: Path, tmp_path: Path):
    """
    A job that is cancelled, or whose app is killed, leaves no container behind.
    """

    def wait_for(containers: int) -> None:
        deadline = time.monotonic() + 60
        while len(dockerd.run("ps", "--all", "--quiet").stdout.split()) != containers:
            assert time.monotonic() < deadline, dockerd.run("ps", "--all").stdout
            time.sleep(0.2)

    chosen = {"DOCKER_HOST": dockerd.host, "DEEPISLES_IMAGE": "stand-in:hang", "DEEPISLES_GPUS": "none"}
    app = subprocess.Popen(
        [python, HERE / "order_container.py", tmp_path],
        env=os.environ | chosen | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        text=True,
    )
    assert app.stdin is not None
    try:
        wait_for(1)
        if how == "cancelled":
            app.stdin.write("cancel\n")
            app.stdin.flush()
        else:
            app.kill()
        wait_for(0)
        assert app.poll() is None or how == "killed"
    finally:
        app.kill()
        app.wait(30)
        app.stdin.close()
