"""The app's two Dockerfiles, built and run; DeepISLES' image is stood in for by a small one."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.dockerd import Dockerd

from spacehand.space.build import build
from spacehand.space.spec import SpaceSpec

HERE = Path(__file__).parent
APP = HERE.parents[2] / "apps" / "stroke-lesion"
BASE = """FROM python:3.11
COPY isles22_ensemble.py /app/src/
COPY conda /opt/conda/bin/
RUN chmod 755 /opt/conda/bin/conda
ENTRYPOINT ["python", "/app/main.py"]
"""
CONDA = '#!/bin/sh\nshift 4  # run --no-capture-output -n isles_ensemble\nexec "$@"\n'
ANSWERS = "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/config').close()"
COMMAND = "from stroke_deepisles_demo.cli import main; main()"

pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.network, pytest.mark.timeout(900)]


def image(dockerd: Dockerd, folder: Path, environment: str, *words: str) -> str:
    """Build what is pushed for *environment*, and return the image's name."""
    pushed = build(SpaceSpec.load(APP, environment=environment), folder / environment).folder
    tag = f"stroke:{environment}"
    dockerd.run("build", "--network", "host", "--tag", tag, *words, str(pushed))
    return tag


@pytest.fixture
def cpu(dockerd: Dockerd, tmp_path: Path) -> str:
    return image(dockerd, tmp_path, "cpu", "--file", str(tmp_path / "cpu" / "Dockerfile.cpu"))


@pytest.fixture
def deepisles(dockerd: Dockerd, tmp_path: Path) -> str:
    base = tmp_path / "base"
    base.mkdir()
    (base / "Dockerfile").write_text(BASE)
    (base / "conda").write_text(CONDA)
    (base / "isles22_ensemble.py").write_bytes((HERE / "stand_in_ensemble.py").read_bytes())
    dockerd.run("build", "--tag", "deepisles-stand-in", str(base))
    return image(dockerd, tmp_path, "deepisles", "--build-arg", "BASE=deepisles-stand-in")


class Running:
    """A container of an image, as a Hub starts it."""

    def __init__(self, dockerd: Dockerd, tag: str) -> None:
        self._dockerd = dockerd
        words = ("run", "--detach", "--network", "none", "--env", "DEEPISLES_GPUS=none", tag)
        self.id = dockerd.run(*words).stdout.strip()

    def execute(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self._dockerd.run("exec", self.id, *words, check=check)

    def wait(self, python: str) -> None:
        """Return once the page answers."""
        deadline = time.monotonic() + 120
        while self.execute(python, "-c", ANSWERS, check=False).returncode:
            log = self._dockerd.run("logs", self.id)
            assert time.monotonic() < deadline, log.stdout + log.stderr
            time.sleep(0.5)

    def segment(self, python: str, engine: str) -> dict[str, object]:
        words = (
            python,
            "-c",
            COMMAND,
            "run",
            "--index",
            "0",
            "--engine",
            engine,
            "--output",
            "out",
            "--json",
        )
        return json.loads(self.execute(*words).stdout)


@pytest.fixture
def started(dockerd: Dockerd) -> Iterator[Callable[[str], Running]]:
    """Start a container of an image; it is removed after the test."""
    containers: list[Running] = []

    def start(tag: str) -> Running:
        containers.append(Running(dockerd, tag))
        return containers[-1]

    yield start
    for container in containers:
        dockerd.run("rm", "--force", container.id)


def test_the_app_in_an_image_of_its_own(cpu: str, started: Callable[[str], Running]):
    """
    `Dockerfile.cpu` gives an image whose page answers, and which segments, as a user without rights.
    """
    container = started(cpu)
    container.wait("python")

    assert container.execute("id", "--user").stdout.strip() == "1000"
    facts = container.segment("python", "threshold")
    assert facts["warning"] == "Not for clinical use"
    assert facts["dice"] is not None


def test_the_app_beside_deepisles(deepisles: str, started: Callable[[str], Running]):
    """
    `Dockerfile` puts the app beside DeepISLES: it answers instead of the base's entrypoint, and segments.
    """
    container = started(deepisles)
    container.wait("/opt/stroke/bin/python")

    assert container.execute("id", "--user").stdout.strip() == "1000"
    facts = container.segment("/opt/stroke/bin/python", "deepisles-image")
    assert facts["contributed"] == ["SEALS"]
    assert facts["versions"]["deepisles"] == "/app"
