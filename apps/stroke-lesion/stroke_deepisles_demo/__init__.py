"""
Stroke lesions in diffusion MRI: segment, measure, look. Not for clinical use.

Each name is loaded when it is first asked for: the command line answers without importing Gradio.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .data import open_dataset
    from .segmentation import Result, segment_case
    from .ui.app import create_app

__version__ = "0.1.0"
__all__ = ["NOT_FOR_CLINICAL_USE", "Result", "create_app", "open_dataset", "segment_case"]

NOT_FOR_CLINICAL_USE = "Not for clinical use"

_HOMES = {
    "Result": "segmentation",
    "create_app": "ui.app",
    "open_dataset": "data",
    "segment_case": "segmentation",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    return getattr(_import_module(f".{_HOMES[name]}", __name__), name)
