"""A Python in which one trains: PyTorch, transformers' Trainer, and spacehand with all it needs."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tests.environments import environment_with

ROOT = Path(__file__).parent.parent
REQUIREMENTS = (
    ROOT / "examples/spoken-words/requirements.txt",
    ROOT / "apps/voxtral-asr/requirements/transformers.txt",
)


def training_python() -> Path:
    """Return it; what the speech app loads models with is there in the very same versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = [*project["dependencies"], *project["optional-dependencies"]["demo"]]
    return environment_with(*own, str(ROOT), str(ROOT / "runtime"), files=REQUIREMENTS)
