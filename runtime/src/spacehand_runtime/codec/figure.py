"""Figures: Plotly's as their JSON, Matplotlib's as the picture that they show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from io import BytesIO
from typing import Any

from spacehand_runtime.codec.encoded import keep, uncacheable

_SHARPNESS = 2  # pixels for each of the figure's own, as on the screens of today


def encode(value: Any, buffers: list[Any], _inner: Callable[[Any, list[Any]], Any]) -> Any:
    """Take a figure of Plotly or Matplotlib apart."""
    if type(value).__module__.startswith("plotly."):
        if not isinstance(value, import_module("plotly.basedatatypes").BaseFigure):
            raise uncacheable(type(value))
        return {"$": "plotly.figure", "at": keep(buffers, value.to_json().encode())}
    if not isinstance(value, import_module("matplotlib.figure").Figure):
        raise uncacheable(type(value), "is a part of a figure")
    picture = BytesIO()
    value.savefig(picture, format="png", dpi=_SHARPNESS * value.dpi, bbox_inches=None)
    size = [float(inches) for inches in value.get_size_inches()]
    at = keep(buffers, picture.getvalue())
    return {"$": "matplotlib.figure", "size": size, "dpi": float(value.dpi), "at": at}


def _plotly(tree: Any, buffers: Sequence[memoryview]) -> Any:
    return import_module("plotly.io").from_json(bytes(buffers[tree["at"]]).decode())


def _matplotlib(tree: Any, buffers: Sequence[memoryview]) -> Any:
    """Return a figure of the same size that shows the picture; its lines and texts are pixels now."""
    pixels = import_module("matplotlib.image").imread(BytesIO(buffers[tree["at"]]), format="png")
    figure = import_module("matplotlib.figure").Figure(figsize=tree["size"], dpi=tree["dpi"])
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(pixels, aspect="auto")
    return figure


DECODERS = {"plotly.figure": _plotly, "matplotlib.figure": _matplotlib}
