"""A model's coefficients as ratios with intervals: what logistic and Cox models tell alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from study.drawing import forest
from study.result import Figure, Table, interval_text, p_text


@dataclass(frozen=True)
class Estimates:
    """Coefficients on the logarithmic scale, by name, with 95 % intervals and p-values."""

    names: list[str]
    coefficients: np.ndarray
    errors: np.ndarray
    lows: np.ndarray
    highs: np.ndarray
    p: np.ndarray

    def table(self, ratio: str, caption: str) -> Table:
        """Return a row for each coefficient; *ratio* is what its exponential is called."""
        rows = [
            [name, _ratio_text(*np.exp([coefficient, low, high]).tolist()), p_text(p)]
            for name, coefficient, low, high, p in zip(
                self.names, self.coefficients, self.lows, self.highs, self.p, strict=True
            )
        ]
        return Table(caption, ["", f"{ratio} (95% interval)", "p"], rows)

    def figure(self, ratio: str) -> Figure:
        """Return a forest plot."""
        rows = np.exp(np.column_stack([self.coefficients, self.lows, self.highs]))
        return forest(self.names, [tuple(row) for row in rows.tolist()], ratio)

    def numbers(self) -> dict[str, dict[str, float]]:
        """Return each coefficient at full precision."""
        columns = np.column_stack([self.coefficients, self.errors, self.lows, self.highs, self.p]).tolist()
        keys = ("coefficient", "error", "low", "high", "p")
        return {
            name: dict(zip(keys, row, strict=True)) for name, row in zip(self.names, columns, strict=True)
        }


def _ratio_text(ratio: float, low: float, high: float) -> str:
    """Return a ratio with its interval: with more digits where small units keep all near 1."""
    digits = 2 if high - low >= 0.02 else 4
    return interval_text(ratio, low, high, digits)


def few_events(events: int, count: int, coefficients: int) -> list[str]:
    """Return a warning if there are fewer than ten of the rarer outcome for each coefficient."""
    rarer = min(events, count - events)
    if rarer >= 10 * coefficients:
        return []
    told = f"There are {rarer / coefficients:.1f} events for each coefficient."
    return [f"{told} Below 10, estimates tend to be too extreme: choose fewer covariates."]


def left_out(dropped: int) -> list[str]:
    """Return a note on the rows with missing values."""
    return [f"{dropped} rows with missing values were left out."] if dropped else []
