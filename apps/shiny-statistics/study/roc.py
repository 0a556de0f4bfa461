"""How well a measurement tells patients with the event from those without: ROC curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata
from sklearn.metrics import roc_curve

from study.design import complete_rows, numbers, outcome
from study.drawing import QUIET, canvas, drawn, style
from study.errors import ChoiceError
from study.estimates import left_out
from study.result import Figure, Result, Table, interval_text, number_text, p_text

MOST_SCORES = 6


def roc(table: pd.DataFrame, options: dict[str, Any]) -> Result:
    """
    Return each score's area under the curve with DeLong's 95 % interval, its best cut, and what differs.

    A score that is lower with the event is turned round, and the result says so. All scores are compared on
    the same patients. *options*: ``response``: a column; ``scores``: columns of numbers; ``swap``.
    """
    names = options["scores"]
    if not 1 <= len(names) <= MOST_SCORES:
        raise ChoiceError(f"{len(names)} scores are chosen", f"Choose 1 to {MOST_SCORES}")
    rows, dropped = complete_rows(table, [options["response"], *names])
    event = outcome(rows[options["response"]], swapped=options.get("swap", False))
    values = np.column_stack([numbers(rows[name]) for name in names])
    areas, covariance = delong(values, event.values)
    turned = [name for name, area in zip(names, areas, strict=True) if area < 0.5]
    signs = np.where(areas < 0.5, -1.0, 1.0)
    if turned:
        areas, covariance = delong(values * signs, event.values)
    curves = [_Curve(name, values[:, i], signs[i], event.values) for i, name in enumerate(names)]
    errors = np.sqrt(np.diag(covariance))
    lows, highs = np.clip(areas - 1.959964 * errors, 0, 1), np.clip(areas + 1.959964 * errors, 0, 1)
    differences = _differences(names, areas, covariance)
    return Result(
        title=f"ROC curves for {event.event}",
        method="Areas under the ROC curves have DeLong's 95% intervals, and are compared by DeLong's test "
        "for curves of the same patients (DeLong et al. 1988). Cuts maximise Youden's index.",
        facts=[
            ("Patients", str(len(rows))),
            ("Events", f"{event.count} ({event.event})"),
            *((f"Area, {name}", number_text(area, 3)) for name, area in zip(names, areas, strict=True)),
        ],
        tables=[
            Table(
                "Area under the curve, and the best cut",
                ["Score", "Area (95% interval)", "Cut", "Sensitivity", "Specificity"],
                [
                    [curve.name, interval_text(area, low, high, 3), *curve.cut_texts()]
                    for curve, area, low, high in zip(curves, areas, lows, highs, strict=True)
                ],
            ),
            *([_difference_table(differences)] if differences else []),
        ],
        figures=[_figure(curves, areas)],
        notes=[
            *(f"{name} is lower with the event: low values count as a sign of it." for name in turned),
            "A cut chosen on the patients it is judged by looks better than it is.",
            *left_out(dropped),
        ],
        numbers={
            "n": len(rows),
            "areas": dict(zip(names, areas.tolist(), strict=True)),
            "errors": dict(zip(names, errors.tolist(), strict=True)),
            "cuts": {curve.name: curve.cut for curve in curves},
            "differences": [{"of": list(pair), "difference": d, "p": p} for pair, d, p in differences],
        },
    )


def delong(scores: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Return the areas of *scores* (patients by scores) and their covariance.

    By midranks, in O(n log n) (Sun and Xu 2014): the estimates of DeLong, DeLong and Clarke-Pearson (1988).
    """
    ill, well = scores[event == 1], scores[event == 0]
    m, n = len(ill), len(well)
    if min(m, n) < 2:
        raise ChoiceError(
            "There are fewer than two patients with, or without, the event", "Choose another outcome"
        )
    both = np.apply_along_axis(rankdata, 0, np.vstack([ill, well]))
    of_ill = (both[:m] - np.apply_along_axis(rankdata, 0, ill)) / n
    of_well = 1 - (both[m:] - np.apply_along_axis(rankdata, 0, well)) / m
    areas = of_ill.mean(axis=0)
    covariance = np.cov(of_ill, rowvar=False) / m + np.cov(of_well, rowvar=False) / n
    return areas, np.atleast_2d(covariance)


class _Curve:
    """One score's curve and its cut with the largest sum of sensitivity and specificity."""

    def __init__(self, name: str, values: np.ndarray, sign: float, event: np.ndarray) -> None:
        self.name = name
        self.false, self.true, cuts = roc_curve(event, values * sign, drop_intermediate=False)
        best = int(np.argmax(self.true - self.false))
        self._sign = sign
        self.cut = {
            "value": float(cuts[best] * sign),
            "sensitivity": float(self.true[best]),
            "specificity": float(1 - self.false[best]),
        }

    def cut_texts(self) -> list[str]:
        """Return the cut, its sensitivity and its specificity."""
        sign = "≥" if self._sign > 0 else "≤"
        shares = (f"{100 * self.cut[name]:.0f}%" for name in ("sensitivity", "specificity"))
        return [f"{sign} {self.cut['value']:g}", *shares]


def _differences(
    names: list[str], areas: np.ndarray, covariance: np.ndarray
) -> list[tuple[tuple[str, str], float, float]]:
    found = []
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            variance = covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]
            difference = float(areas[i] - areas[j])
            p = float(2 * norm.sf(abs(difference) / np.sqrt(variance))) if variance > 1e-15 else float("nan")
            found.append(((names[i], names[j]), difference, p))
    return found


def _difference_table(differences: list[tuple[tuple[str, str], float, float]]) -> Table:
    rows = [[f"{a} and {b}", number_text(difference, 3), p_text(p)] for (a, b), difference, p in differences]
    return Table("Differences between the areas", ["", "Difference", "p"], rows)


def _figure(curves: list[_Curve], areas: np.ndarray) -> Figure:
    with canvas(width=5.2, height=4.8) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.9, linestyle=":")
        for number, (curve, area) in enumerate(zip(curves, areas, strict=True)):
            axes.plot(
                curve.false, curve.true, label=f"{curve.name}, {area:.3f}", linewidth=1.8, **style(number)
            )
            axes.plot(
                1 - curve.cut["specificity"], curve.cut["sensitivity"], "o", color=style(number)["color"]
            )
        axes.set(xlabel="1 − specificity", ylabel="Sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        axes.legend(loc="lower right")
        told = "; ".join(f"{curve.name} {area:.3f}" for curve, area in zip(curves, areas, strict=True))
        return drawn(figure, alt=f"ROC curves. Areas: {told}", caption="ROC curves; dots are the best cuts")
