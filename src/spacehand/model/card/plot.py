"""The loss curve as a picture, the same bytes for the same points."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from typing import Any

from spacehand.model.loss_history import Point

_INCHES, _DOTS = (8.0, 4.5), 100  # 800 x 450 pixels
# Blue and vermilion are told apart by everybody; marker and dashes tell the lines apart without colour.
_TRAINING: Any = {"color": "#0072B2", "linewidth": 1.8}
_EVALUATION: Any = {"color": "#D55E00", "linewidth": 1.8, "linestyle": "--", "marker": "o", "markersize": 4}
_MOST_POINTS = 2000

Series = list[tuple[float, float]]


def name(points: Sequence[Point]) -> str:
    """Return the file name of the picture, which changes when the points do."""
    said = json.dumps([[point.step, point.epoch, point.loss, point.evaluation_loss] for point in points])
    return f"loss-{hashlib.sha256(said.encode()).hexdigest()[:12]}.png"


def is_drawable(points: Sequence[Point]) -> bool:
    """Whether there are two points at least of one line."""
    _, training, evaluation = lines(points)
    return len(training) > 1 or len(evaluation) > 1


def lines(points: Sequence[Point]) -> tuple[str, Series, Series]:
    """Return what the horizontal axis counts, the training loss and the evaluation loss."""
    for axis in ("step", "epoch"):
        if all(getattr(point, axis) is not None for point in points):
            places = [float(getattr(point, axis)) for point in points]
            break
    else:
        axis, places = "record", [float(number) for number in range(1, len(points) + 1)]
    training = [
        (place, point.loss) for place, point in zip(places, points, strict=True) if point.loss is not None
    ]
    evaluation = [
        (place, point.evaluation_loss)
        for place, point in zip(places, points, strict=True)
        if point.evaluation_loss is not None
    ]
    return axis, training, evaluation


def draw(points: Sequence[Point]) -> bytes:
    """Return the loss curve as a PNG."""
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    axis, training, evaluation = lines(points)
    with matplotlib.style.context("default"):  # whatever the user's matplotlibrc says
        figure = Figure(figsize=_INCHES, dpi=_DOTS, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        for series, label, style in (
            (training, "training", _TRAINING),
            (evaluation, "evaluation", _EVALUATION),
        ):
            if series:
                shown = series[:: -(-len(series) // _MOST_POINTS)]
                axes.plot([x for x, _ in shown], [y for _, y in shown], label=label, **style)
        axes.set_title("Loss")
        axes.set_xlabel(axis)
        axes.set_ylabel("loss")
        axes.grid(visible=True, color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.legend(frameon=False)
        out = io.BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None, "Title": "Loss"})
    return out.getvalue()
