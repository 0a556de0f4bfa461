"""An app's own counters and histograms, with labels, and no more series than fit into memory."""

from __future__ import annotations

import math
import re
import threading
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

_MOST = 500  # series of one instrument; what comes after is counted together as `other`
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")

Labels = tuple[str, ...]


class Instrument:
    """A name, a sentence about it, and one series for each combination of its labels' values."""

    kind = ""

    def __init__(self, name: str, about: str, labels: Sequence[str] = ()) -> None:
        for word in (name, *labels):
            if not _NAME.match(word):
                msg = f"`{word}` is no name for a metric: use small letters, digits and `_`"
                raise ValueError(msg)
        if "le" in labels or len(set(labels)) < len(labels):
            msg = f"The labels of `{name}` must differ, and `le` is that of Prometheus, got {list(labels)}"
            raise ValueError(msg)
        self.name, self.about, self.labels = name, about, tuple(labels)
        self._lock = threading.Lock()
        self._series: dict[Labels, Any] = {}

    def series(self) -> list[dict[str, Any]]:
        """Return each series: its ``labels``, and what was counted."""
        with self._lock:
            return [
                {"labels": dict(zip(self.labels, values, strict=True)), **self._told(counted)}
                for values, counted in self._series.items()
            ]

    def _place(self, labels: dict[str, object]) -> Labels:
        if set(labels) != set(self.labels):
            msg = f"`{self.name}` has the labels {list(self.labels)}, got {sorted(labels)}"
            raise ValueError(msg)
        values = tuple(str(labels[name]) for name in self.labels)
        if values in self._series or len(self._series) < _MOST:
            return values
        return ("other",) * len(self.labels)

    def _told(self, counted: Any) -> dict[str, Any]:
        raise NotImplementedError


class Counter(Instrument):
    """Counts what happens; it only grows."""

    kind = "counter"

    def add(self, amount: float = 1, **labels: object) -> None:
        """Count *amount* more for these *labels*."""
        if not amount >= 0:
            msg = f"`{self.name}` only grows, got {amount}"
            raise ValueError(msg)
        _check(self.name, amount)
        with self._lock:
            place = self._place(labels)
            self._series[place] = self._series.get(place, 0) + amount

    def _told(self, counted: Any) -> dict[str, Any]:
        return {"value": counted}


class Histogram(Instrument):
    """Counts values by size; *bounds* are the upper ends of its buckets, in the values' own unit."""

    kind = "histogram"

    def __init__(
        self, name: str, about: str, labels: Sequence[str] = (), *, bounds: Sequence[float] = SECONDS
    ) -> None:
        super().__init__(name, about, labels)
        self.bounds = tuple(sorted(bounds))

    def observe(self, value: float, **labels: object) -> None:
        """Count one *value* for these *labels*."""
        _check(self.name, value)
        with self._lock:
            place = self._place(labels)
            counts, total = self._series.get(place) or ([0] * (len(self.bounds) + 1), 0.0)
            counts[bisect_left(self.bounds, value)] += 1
            self._series[place] = counts, total + value

    def _told(self, counted: Any) -> dict[str, Any]:
        counts, total = counted
        buckets, so_far = [], 0
        for bound, count in zip((*self.bounds, None), counts, strict=True):
            so_far += count
            buckets.append([bound, so_far])  # as Prometheus counts: all values up to the bound
        return {"count": so_far, "sum": total, "buckets": buckets}


def _check(name: str, value: float) -> None:
    if not math.isfinite(value):  # one such value, and the sum says nothing any more
        msg = f"`{name}` counts finite numbers, got {value}"
        raise ValueError(msg)
