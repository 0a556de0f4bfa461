"""How figures look: the same colours and sizes everywhere, drawn as SVG."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import NullLocator

from study.result import Figure

# Okabe and Ito's colours, told apart by people who see fewer of them; line styles repeat the difference.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
STYLES = ("-", "--", "-.", ":")
INK, QUIET = "#1d2733", "#5b6875"

_RATIOS = tuple(base * 10.0**power for power in range(-6, 7) for base in (1, 2, 5))

_STYLE = {
    "font.size": 10.5,
    "font.family": "DejaVu Sans",
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "text.color": INK,
    "legend.frameon": False,
    "svg.hashsalt": "study",  # the same drawing is the same text
    "svg.fonttype": "path",
}


@contextmanager
def canvas(width: float = 6.4, height: float = 4.2, **grid: object) -> Iterator[tuple[Canvas, Axes]]:
    """A figure of *width* by *height* inches in the app's style, and its axes."""
    with mpl.rc_context(_STYLE):
        figure = Canvas(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots(**grid)


def drawn(figure: Canvas, *, alt: str, caption: str) -> Figure:
    """Return *figure* as SVG; to be called inside :func:`canvas`."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    return Figure(svg[svg.index("<svg") :], alt, caption)


def style(number: int) -> dict[str, str]:
    """Return the colour and line style of the curve with this *number*."""
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": STYLES[number % len(STYLES)]}


def forest(names: list[str], rows: list[tuple[float, float, float]], axis: str) -> Figure:
    """Return a forest plot of ratios with their intervals, on a logarithmic axis."""
    with canvas(height=1.2 + 0.36 * len(names)) as (figure, axes):
        for place, (ratio, low, high) in enumerate(rows):
            axes.plot([low, high], [place, place], color=COLOURS[0], linewidth=1.6)
            axes.plot([ratio], [place], "s", color=COLOURS[0], markersize=5.5)
        axes.axvline(1.0, color=QUIET, linewidth=0.9, linestyle="--")
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.set_xticks([tick for tick in _RATIOS if low <= tick <= high], minor=False)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(f"{axis} (95% interval, logarithmic)")
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        told = "; ".join(f"{name} {ratio:.2f}" for name, (ratio, _, _) in zip(names, rows, strict=True))
        return drawn(figure, alt=f"Forest plot. {axis}: {told}", caption=f"{axis} of each covariate")
