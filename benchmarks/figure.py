"""One comparison: ours, the peer, and the goal."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """
    *ours* and *peer* are each round's figure in *unit*; the ratio is of their medians.

    *goal* is the ratio we owe (``at most``), from the design; None where there is none.
    """

    what: str
    beside: str
    ours: Sequence[float]
    peer: Sequence[float]
    goal: float | None = None
    unit: str = "s"
    note: str = ""
    load: tuple[float, float, float] = field(default_factory=os.getloadavg)

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.peer)

    @property
    def reached(self) -> bool | None:
        return None if self.goal is None else self.ratio <= self.goal


def seconds(work: Callable[[], object]) -> float:
    """Return how long *work* takes on the wall clock."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(
    rounds: int, ours: Callable[[], float], peer: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Measure both *rounds* times, changing who goes first, so that a noisy machine is unfair to both."""
    mine: list[float] = []
    theirs: list[float] = []
    for number in range(rounds):
        order = [(mine, ours), (theirs, peer)]
        for kept, measure in order if number % 2 == 0 else reversed(order):
            kept.append(measure())
    return mine, theirs


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table."""
    rows = [
        "| what | ours | beside | peer | ratio | goal | reached |",
        "| --- | ---: | --- | ---: | ---: | ---: | --- |",
    ]
    for figure in figures:
        goal = "" if figure.goal is None else f"≤ {figure.goal:g}"
        reached = {None: "", True: "yes", False: "**no**"}[figure.reached]
        ours = f"{statistics.median(figure.ours):.3g} {figure.unit}"
        peer = f"{statistics.median(figure.peer):.3g} {figure.unit}"
        what = f"{figure.what}. {figure.note}" if figure.note else figure.what
        rows.append(
            f"| {what} | {ours} | {figure.beside} | {peer} | {figure.ratio:.3g} | {goal} | {reached} |"
        )
    return "\n".join(rows)


def save(name: str, figures: Sequence[Figure]) -> Path:
    """Write *figures* as JSON, with the machine and its load beside them."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    rows = [asdict(figure) | {"ratio": figure.ratio, "reached": figure.reached} for figure in figures]
    path.write_text(json.dumps({"machine": machine, "figures": rows}, indent=2) + "\n")
    return path
