"""What finds lesions; each says what it is, whether it can run here, and who really contributed."""

from __future__ import annotations

from .engine import Engine, Found
from .registry import ENGINES, engine_called

__all__ = ["ENGINES", "Engine", "Found", "engine_called"]
