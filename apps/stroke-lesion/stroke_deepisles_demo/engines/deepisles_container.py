"""DeepISLES in its own container, run by this machine's docker."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path

from ..data import Case
from ..scan import Scan
from .deepisles import Options, collect, run, stage
from .engine import Found

IMAGE = "isleschallenge/deepisles@sha256:848c9eceb67dbc585bcb37f093389d142caeaa98878bd31039af04ef297a5af4"
_ANSWERS_IN = 20  # seconds


class ContainerEngine:
    """Runs the image ``DEEPISLES_IMAGE``, without a network, on the folder of one case."""

    name = "deepisles-container"
    about = "DeepISLES, the ensemble that won ISLES'22, in its container; needs docker and a GPU"

    def __init__(self, options: Options | None = None, image: str | None = None) -> None:
        self._options = options or Options.read()
        self._image = image or os.environ.get("DEEPISLES_IMAGE") or IMAGE

    def refusal(self) -> str | None:
        if shutil.which("docker") is None:
            return "docker is not installed. Install it, or choose another engine"
        runtimes = _docker("info", "--format", "{{json .Runtimes}}")
        if runtimes is None:
            return "no docker daemon answers. Start it, or point `DOCKER_HOST` to one"
        if self._options.gpus != "none" and "nvidia" not in runtimes:
            return "docker has no NVIDIA GPU here. Install NVIDIA's container toolkit, or take another engine"
        return None

    def find(self, case: Case, scan: Scan, folder: Path) -> Found:
        data = folder / "data"
        staged = stage(case, data)
        container = f"deepisles-{uuid.uuid4().hex[:12]}"
        words = self.command(container, data, staged)
        log = run(words, self._options.timeout, clear_up=["docker", "rm", "--force", container])
        (folder / "log.txt").write_text(log, encoding="utf-8")
        return collect(data, case, scan, self._options, log, {"image": self._image})

    def command(self, container: str, data: Path, staged: dict[str, Path]) -> list[str]:
        """Return the command line: docker's words, the image, and DeepISLES' words."""
        gpus = [] if self._options.gpus == "none" else ["--gpus", self._options.gpus]
        names = [word for role, path in staged.items() for word in (f"--{role}_file_name", path.name)]
        return [
            *("docker", "run", "--rm", "--name", container, "--network", "none", *gpus),
            *("--volume", f"{data.resolve()}:/app/data", self._image),
            *names,
            *self._options.flags(),
        ]


def _docker(*words: str) -> str | None:
    """Return what docker prints, None if it fails or does not answer."""
    try:
        done = subprocess.run(
            ["docker", *words], capture_output=True, text=True, timeout=_ANSWERS_IN, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout
