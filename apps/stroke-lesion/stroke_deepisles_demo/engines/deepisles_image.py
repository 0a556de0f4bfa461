"""
DeepISLES beside this app, in one image: its Python is too old for the app, so it is a process of its own.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from ..data import Case
from ..scan import Scan
from .deepisles import MASK, Options, collect, run, stage
from .engine import Found

HOME = Path("/app")
PYTHON = "/opt/conda/bin/conda run --no-capture-output -n isles_ensemble python"
_ADAPTER = Path(__file__).with_name("deepisles_adapter.py")


class ImageEngine:
    """Calls DeepISLES where ``DEEPISLES_HOME`` says it is, by the Python that ``DEEPISLES_PYTHON`` names."""

    name = "deepisles-image"
    about = "DeepISLES in the image this app runs in; needs a GPU"

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options.read()
        self._home = Path(os.environ.get("DEEPISLES_HOME") or HOME)
        self._python = shlex.split(os.environ.get("DEEPISLES_PYTHON") or PYTHON)

    def refusal(self) -> str | None:
        if not (self._home / "src" / "isles22_ensemble.py").is_file():
            return "this is not DeepISLES' image. Build the Space from `Dockerfile`, or choose another engine"
        if self._options.gpus != "none" and not _has_gpu():
            return "there is no NVIDIA GPU. Choose GPU hardware for the Space, or another engine"
        return None

    def find(self, case: Case, scan: Scan, folder: Path) -> Found:
        data = folder / "data"
        staged = stage(case, data)
        output = data / MASK.parent
        output.mkdir()
        images = [word for role, path in staged.items() for word in (f"--{role}", str(path.resolve()))]
        words = [
            *self._python,
            str(_ADAPTER),
            *images,
            "--output",
            str(output.resolve()),
            *self._options.flags(),
        ]
        log = run(words, self._options.timeout, cwd=self._home)
        (folder / "log.txt").write_text(log, encoding="utf-8")
        return collect(data, case, scan, self._options, log, {"deepisles": str(self._home)})


def _has_gpu() -> bool:
    if shutil.which("nvidia-smi") is None:
        return False
    return subprocess.run(["nvidia-smi", "-L"], capture_output=True, check=False).returncode == 0
