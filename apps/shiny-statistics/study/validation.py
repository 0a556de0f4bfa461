"""How well a Cox model would do on new patients: Harrell's bootstrap, optimism subtracted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from lifelines.utils import concordance_index

from spacehand_runtime import report_progress
from study.cox import EVENT, TIME, fitted
from study.design import complete_rows, design, outcome, times
from study.drawing import COLOURS, QUIET, canvas, drawn
from study.errors import ChoiceError
from study.estimates import left_out
from study.result import Figure, Result, Table, number_text

MOST_ROUNDS = 2000
_FAILED = 0.05  # the share of resamples that may be without a fit


def validation(table: pd.DataFrame, options: dict[str, Any]) -> Result:
    """
    Return the optimism-corrected C-index of a Cox model (Harrell, Lee and Mark 1996).

    In each of ``rounds`` resamples the model is fitted anew; its C-index there minus its C-index on the
    original patients is the optimism, whose mean is subtracted from the apparent C-index.

    *options*: ``time``, ``event``: columns; ``covariates``: columns; ``rounds``; ``seed``; ``swap``.
    """
    rounds, seed = _rounds(options), int(options.get("seed", 1))
    columns = [options["time"], options["event"], *options["covariates"]]
    rows, dropped = complete_rows(table, columns)
    time = times(rows[options["time"]])
    event = outcome(rows[options["event"]], swapped=options.get("swap", False))
    matrix = design(rows, options["covariates"])
    apparent_fit = fitted(matrix.assign(**{TIME: time, EVENT: event.values}))
    if apparent_fit is None:
        raise ChoiceError("The model has no finite solution on these data", "Choose fewer covariates")
    apparent = _c_index(apparent_fit, matrix, time, event.values)
    inside, outside = _resampled(matrix, time, event.values, rounds, seed)
    failed = rounds - len(inside)
    if failed > _FAILED * rounds:
        raise ChoiceError(
            f"The model could not be fitted in {failed} of {rounds} resamples",
            "Choose fewer covariates, or put rare values together",
        )
    optimism = inside - outside
    corrected = apparent - float(optimism.mean())
    numbers = {
        "n": len(rows),
        "events": event.count,
        "apparent": apparent,
        "optimism": float(optimism.mean()),
        "corrected": corrected,
        "standard_error": float(optimism.std(ddof=1) / np.sqrt(len(optimism))),
        "failed": failed,
    }
    return Result(
        title="Bootstrap validation of a Cox model",
        method=f"The C-index was corrected for optimism by {rounds} bootstrap resamples (Harrell, Lee and "
        "Mark 1996), in each of which the model was fitted anew with Efron's method for ties.",
        facts=[
            ("C-index, corrected", number_text(corrected, 3)),
            ("C-index, apparent", number_text(apparent, 3)),
            ("Optimism", number_text(numbers["optimism"], 4)),
            ("Patients", f"{len(rows)}, {event.count} events ({event.event})"),
        ],
        tables=[_table(apparent, inside, outside, optimism)],
        figures=[_figure(outside, apparent, corrected)],
        notes=_notes(dropped, failed, rounds, numbers["standard_error"]),
        numbers=numbers,
    )


def _rounds(options: dict[str, Any]) -> int:
    rounds = int(options.get("rounds", 750))
    if not 10 <= rounds <= MOST_ROUNDS:
        raise ChoiceError(f"{rounds} resamples are not possible", f"Choose from 10 to {MOST_ROUNDS}")
    return rounds


def _resampled(
    matrix: pd.DataFrame, time: np.ndarray, event: np.ndarray, rounds: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the C-index of each resample's model on the resample, and on the original patients."""
    chance = np.random.default_rng(seed)
    inside, outside = [], []
    for number in range(rounds):
        drawn_rows = chance.integers(0, len(matrix), len(matrix))
        resample = matrix.iloc[drawn_rows].reset_index(drop=True)
        fit = None
        if (resample.nunique() > 1).all():
            fit = fitted(resample.assign(**{TIME: time[drawn_rows], EVENT: event[drawn_rows]}))
        if fit is not None:
            inside.append(_c_index(fit, resample, time[drawn_rows], event[drawn_rows]))
            outside.append(_c_index(fit, matrix, time, event))
        report_progress((number + 1) / rounds, f"resample {number + 1} of {rounds}")
    return np.array(inside), np.array(outside)


def _c_index(fit: CoxPHFitter, matrix: pd.DataFrame, time: np.ndarray, event: np.ndarray) -> float:
    risk = matrix.to_numpy() @ fit.params_.to_numpy()
    return float(concordance_index(time, -risk, event))


def _table(apparent: float, inside: np.ndarray, outside: np.ndarray, optimism: np.ndarray) -> Table:
    def row(name: str, values: np.ndarray) -> list[str]:
        low, high = np.percentile(values, [2.5, 97.5])
        return [
            name,
            number_text(float(values.mean()), 4),
            f"{number_text(low, 3)} to {number_text(high, 3)}",
        ]

    rows = [
        ["Apparent", number_text(apparent, 4), "–"],
        row("In the resamples", inside),
        row("Of those models, on the original patients", outside),
        row("Optimism", optimism),
        ["Corrected", number_text(apparent - float(optimism.mean()), 4), "–"],
    ]
    return Table("Concordance (C-index)", ["", "Mean", "2.5% to 97.5% of the resamples"], rows)


def _figure(outside: np.ndarray, apparent: float, corrected: float) -> Figure:
    with canvas(height=3.4) as (figure, axes):
        axes.hist(outside, bins=30, color=COLOURS[4], edgecolor="white", linewidth=0.5)
        axes.axvline(apparent, color=QUIET, linestyle="--", linewidth=1.4, label=f"apparent {apparent:.3f}")
        axes.axvline(corrected, color=COLOURS[1], linewidth=2, label=f"corrected {corrected:.3f}")
        axes.set(xlabel="C-index of the resamples' models on the original patients", ylabel="Resamples")
        axes.legend(loc="upper left")
        return drawn(
            figure,
            alt=f"Histogram of C-indices; apparent {apparent:.3f}, corrected {corrected:.3f}",
            caption="How the models of the resamples do on the original patients",
        )


def _notes(dropped: int, failed: int, rounds: int, error: float) -> list[str]:
    notes = [f"Chance leaves the mean optimism uncertain by {error:.4f} (standard error)."]
    if failed:
        notes.append(f"{failed} of {rounds} resamples had no finite solution and were left out.")
    return notes + left_out(dropped)
