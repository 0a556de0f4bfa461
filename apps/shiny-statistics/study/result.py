"""What an analysis found, in a shape that a page, a report, a cache and a test can read."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows of texts under a caption; the first cell of a row is its name."""

    caption: str
    columns: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Figure:
    """A drawing as SVG, what it shows in words, and its caption."""

    svg: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Result:
    """
    What was found: a few *facts* first, then tables and figures, then *notes* on what to be careful with.

    *method* is a sentence for a paper's methods. *numbers* are the figures at full precision, by name.
    """

    title: str
    method: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON types, which a cache keeps without pickle."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Result:
        """Return what :meth:`to_json` was made of."""
        return cls(
            title=data["title"],
            method=data["method"],
            facts=[(label, value) for label, value in data["facts"]],
            tables=[Table(**table) for table in data["tables"]],
            figures=[Figure(**figure) for figure in data["figures"]],
            notes=list(data["notes"]),
            numbers=dict(data["numbers"]),
        )


def p_text(value: float) -> str:
    """Return a p-value as papers print it."""
    if math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def number_text(value: float, digits: int = 2) -> str:
    """Return a number with *digits* after the point; very large and very small ones with an exponent."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.1e}".replace("-", "−")
    return f"{value:.{digits}f}".replace("-", "−")


def interval_text(estimate: float, low: float, high: float, digits: int = 2) -> str:
    """Return an estimate with its interval in brackets."""
    ends = (number_text(low, digits), number_text(high, digits) if math.isfinite(high) else "not reached")
    return f"{number_text(estimate, digits)} ({ends[0]} to {ends[1]})"


def p_equals(value: float) -> str:
    """Return a p-value as part of a sentence: `p = 0.040`, `p < 0.001`."""
    text = p_text(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
