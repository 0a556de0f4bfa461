"""Survival over time, by group: Kaplan and Meier's estimate, and the log-rank test."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from lifelines.utils import median_survival_times

from study.design import complete_rows, outcome, times
from study.drawing import canvas, drawn, style
from study.errors import ChoiceError
from study.estimates import left_out
from study.result import Figure, Result, Table, interval_text, number_text, p_equals

MOST_GROUPS = 8


def kaplan_meier(table: pd.DataFrame, options: dict[str, Any]) -> Result:
    """
    Return survival curves with 95 % intervals (Greenwood's variance on the log-log scale).

    *options*: ``time``, ``event`` and, if there are groups, ``group``: columns; ``swap`` the event's value.
    """
    group = options.get("group") or None
    columns = [options["time"], options["event"], *([group] if group else [])]
    rows, dropped = complete_rows(table, columns)
    time, event = (
        times(rows[options["time"]]),
        outcome(rows[options["event"]], swapped=options.get("swap", False)),
    )
    labels = rows[group].astype(str) if group else pd.Series(["All"] * len(rows))
    names = sorted(labels.unique())
    if len(names) > MOST_GROUPS:
        raise ChoiceError(
            f"`{group}` has {len(names)} groups, more than the {MOST_GROUPS} that can be told apart",
            "Choose a column with fewer values",
        )
    fits = {}
    for name in names:
        here = (labels == name).to_numpy()
        fits[name] = KaplanMeierFitter(label=name).fit(time[here], event.values[here])
    facts = [("Patients", str(len(rows))), ("Events", f"{event.count} ({event.event})")]
    numbers: dict[str, Any] = {"n": len(rows), "events": event.count, "groups": {}}
    if len(names) > 1:
        test = multivariate_logrank_test(time, labels, event.values)
        facts.append(("Log-rank test", p_equals(test.p_value)))
        numbers |= {"logrank": float(test.test_statistic), "p": float(test.p_value)}
    medians = [_row(name, fit, numbers["groups"]) for name, fit in fits.items()]
    return Result(
        title="Survival over time" + (f", by {group}" if group else ""),
        method="Survival was estimated by the Kaplan–Meier method, with 95% intervals on the log–log scale"
        + ("; groups were compared by the log-rank test." if len(names) > 1 else "."),
        facts=facts,
        tables=[
            Table("Median survival", ["Group", "Patients", "Events", "Median (95% interval)"], medians),
            _at_risk(fits, float(time.max())),
        ],
        figures=[_curves(fits, options["time"])],
        notes=left_out(dropped),
        numbers=numbers,
    )


def _row(name: str, fit: KaplanMeierFitter, numbers: dict[str, Any]) -> list[str]:
    interval = median_survival_times(fit.confidence_interval_)
    low, high = (float(value) for value in interval.iloc[0])
    median = float(fit.median_survival_time_)
    count, events = int(fit.event_table["entrance"].sum()), int(fit.event_table["observed"].sum())
    numbers[name] = {
        "n": count,
        "events": events,
        "median": _finite(median),
        "median_interval": [_finite(low), _finite(high)],
        "times": fit.survival_function_.index.to_list(),
        "survival": fit.survival_function_.iloc[:, 0].to_list(),
    }
    told = "not reached" if math.isinf(median) else interval_text(median, low, high, 0)
    return [name, str(count), str(events), told]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _at_risk(fits: dict[str, KaplanMeierFitter], end: float) -> Table:
    at = np.linspace(0, end, 6)
    rows = [[name, *(str(int((fit.durations >= time).sum())) for time in at)] for name, fit in fits.items()]
    return Table("Number at risk", ["Time", *(number_text(time, 0) for time in at)], rows)


def _curves(fits: dict[str, KaplanMeierFitter], unit: str) -> Figure:
    with canvas() as (figure, axes):
        for number, (name, fit) in enumerate(fits.items()):
            curve, band = fit.survival_function_.iloc[:, 0], fit.confidence_interval_
            look = style(number)
            axes.step(curve.index, curve, where="post", label=name, linewidth=1.8, **look)
            axes.fill_between(
                band.index,
                band.iloc[:, 0],
                band.iloc[:, 1],
                step="post",
                alpha=0.13,
                color=look["color"],
                linewidth=0,
            )
            censored = np.unique(fit.durations[fit.event_observed == 0])
            axes.plot(censored, curve.asof(censored), "|", color=look["color"], markersize=5, alpha=0.6)
        axes.set(xlabel=unit, ylabel="Survival", ylim=(0, 1.02), xlim=(0, None))
        if len(fits) > 1:
            axes.legend(loc="lower left")
        told = "; ".join(
            f"{name}: median {number_text(float(fit.median_survival_time_), 0)}" for name, fit in fits.items()
        )
        return drawn(
            figure,
            alt=f"Kaplan–Meier curves over {unit}. {told}",
            caption="Kaplan–Meier curves with 95% bands; ticks are patients whose follow-up ended",
        )
