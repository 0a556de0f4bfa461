"""Propensity matching: treated patients beside untreated ones who were as likely to be treated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest, t

from study.design import complete_rows, design, is_numeric, outcome
from study.drawing import COLOURS, QUIET, canvas, drawn
from study.errors import ChoiceError
from study.estimates import left_out
from study.logistic import propensities
from study.result import Figure, Result, Table, interval_text, number_text, p_text

SMALL = 0.1  # a standardised difference below it counts as balanced


@dataclass(frozen=True)
class Balance:
    """Standardised mean differences of each column of the design, before and after matching."""

    names: list[str]
    before: np.ndarray
    after: np.ndarray


def propensity(table: pd.DataFrame, options: dict[str, Any]) -> Result:
    """
    Return pairs of a treated and an untreated patient, how alike they are, and what differs in an outcome.

    Greedy matching without replacement on the logit of the propensity, the most likely treated first, within
    a calliper of ``calliper`` standard deviations of that logit (Austin 2011 recommends 0.2).

    *options*: ``treatment``: a column; ``covariates``: columns; ``calliper``; ``response``: a column or None;
    ``swap`` the treatment's value.
    """
    response = options.get("response") or None
    columns = [options["treatment"], *options["covariates"], *([response] if response else [])]
    rows, dropped = complete_rows(table, columns)
    treated = outcome(rows[options["treatment"]], swapped=options.get("swap", False))
    matrix = design(rows, options["covariates"])
    chance = np.clip(propensities(matrix, treated), 1e-12, 1 - 1e-12)
    logit = np.log(chance / (1 - chance))
    width = float(options.get("calliper", 0.2)) * float(logit.std(ddof=1))
    pairs = matched(logit, treated.values, width)
    if len(pairs) < 2:
        raise ChoiceError(
            f"Only {len(pairs)} pairs are alike enough", "Choose a wider calliper, or fewer covariates"
        )
    kept = np.concatenate([pairs[:, 0], pairs[:, 1]])
    balance = Balance(
        list(matrix.columns),
        standardised(matrix.to_numpy(), treated.values),
        # By the spread before matching: the difference alone is to change, not what it is measured by.
        standardised(
            matrix.to_numpy()[kept], treated.values[kept], spread_of=(matrix.to_numpy(), treated.values)
        ),
    )
    effect, effect_numbers = _effect(rows[response], pairs) if response else ([], {})
    worst = float(np.abs(balance.after).max())
    return Result(
        title=f"Propensity matching for {treated.event}",
        method="Treated and untreated patients were matched 1:1 without replacement on the logit of the "
        f"propensity score, greedily and within {options.get('calliper', 0.2)} of its standard deviation "
        "(Austin 2011).",
        facts=[
            ("Pairs", f"{len(pairs)} of {treated.count} treated"),
            ("Largest difference before", number_text(float(np.abs(balance.before).max()))),
            ("Largest difference after", number_text(worst)),
        ],
        tables=[*effect, _balance_table(balance)],
        figures=[_love(balance), _overlap(chance, treated.values)],
        notes=[
            *(
                [f"Differences above {SMALL} remain: the groups are not alike in everything."]
                if worst > SMALL
                else []
            ),
            "Matching balances what was measured, and nothing else.",
            *left_out(dropped),
        ],
        numbers={
            "n": len(rows),
            "treated": treated.count,
            "pairs": pairs.tolist(),
            "before": dict(zip(balance.names, balance.before.tolist(), strict=True)),
            "after": dict(zip(balance.names, balance.after.tolist(), strict=True)),
            **effect_numbers,
        },
    )


def matched(logit: np.ndarray, treated: np.ndarray, width: float) -> np.ndarray:
    """
    Return pairs of row numbers, treated and untreated, none twice, at most *width* apart.

    Of two untreated ones that are as near, the earlier row is taken.
    """
    free = np.flatnonzero(treated == 0)
    pairs = []
    for patient in sorted(np.flatnonzero(treated == 1), key=lambda row: -logit[row]):
        if not len(free):
            break
        distances = np.abs(logit[free] - logit[patient])
        nearest = int(np.argmin(distances))
        if distances[nearest] <= width:
            pairs.append((int(patient), int(free[nearest])))
            free = np.delete(free, nearest)
    return np.array(pairs, dtype=int).reshape(-1, 2)


def standardised(
    values: np.ndarray, group: np.ndarray, *, spread_of: tuple[np.ndarray, np.ndarray] | None = None
) -> np.ndarray:
    """
    Return the difference of the means of group 1 and 0 over the root of their variances' mean (Austin 2009).

    The variances are those of *spread_of*, values and groups, where given.
    """
    difference = values[group == 1].mean(axis=0) - values[group == 0].mean(axis=0)
    values, group = spread_of or (values, group)
    spread = np.sqrt((values[group == 1].var(axis=0, ddof=1) + values[group == 0].var(axis=0, ddof=1)) / 2)
    return np.divide(difference, spread, out=np.zeros_like(difference), where=spread > 0)


def _effect(column: pd.Series, pairs: np.ndarray) -> tuple[list[Table], dict[str, Any]]:
    """Return the treated one's outcome minus the untreated one's, over the pairs."""
    is_number = is_numeric(column) and column.nunique() > 2
    values = column.to_numpy(dtype=float) if is_number else outcome(column).values
    differences = values[pairs[:, 0]] - values[pairs[:, 1]]
    mean, count = float(differences.mean()), len(differences)
    error = float(differences.std(ddof=1) / np.sqrt(count))
    half = float(t.ppf(0.975, count - 1)) * error
    if is_number:
        p, test = (float(2 * t.sf(abs(mean / error), count - 1)) if error else float("nan")), "paired t test"
        name = f"Mean difference in {column.name}"
    else:  # McNemar's exact test
        more, fewer = int((differences > 0).sum()), int((differences < 0).sum())
        p, test = (
            (float(binomtest(more, more + fewer).pvalue) if more + fewer else 1.0),
            "McNemar's exact test",
        )
        name = f"Risk difference of {outcome(column).event}"
    row = [name, interval_text(mean, mean - half, mean + half, 3), p_text(p)]
    table = Table(
        f"Treated minus untreated, {count} pairs", ["", "Difference (95% interval)", f"p, {test}"], [row]
    )
    return [table], {"effect": mean, "effect_error": error, "p": p}


def _balance_table(balance: Balance) -> Table:
    rows = [
        [name, number_text(float(before), 3), number_text(float(after), 3)]
        for name, before, after in zip(balance.names, balance.before, balance.after, strict=True)
    ]
    return Table("Standardised differences, treated minus untreated", ["", "Before", "After matching"], rows)


def _love(balance: Balance) -> Figure:
    with canvas(height=1.3 + 0.36 * len(balance.names)) as (figure, axes):
        places = np.arange(len(balance.names))
        axes.axvline(SMALL, color=QUIET, linestyle="--", linewidth=0.9)
        axes.plot(np.abs(balance.before), places, "o", mfc="white", color=COLOURS[1], label="before")
        axes.plot(np.abs(balance.after), places, "o", color=COLOURS[0], label="after matching")
        axes.set_yticks(places, balance.names)
        axes.set_ylim(len(places) - 0.5, -0.5)
        axes.set(xlabel="Absolute standardised difference", xlim=(0, None))
        axes.legend()
        return drawn(
            figure,
            alt="Love plot. Largest standardised difference "
            f"{np.abs(balance.before).max():.2f} before and {np.abs(balance.after).max():.2f} after matching",
            caption=f"How alike the groups are; the dashed line is {SMALL}",
        )


def _overlap(chance: np.ndarray, treated: np.ndarray) -> Figure:
    with canvas(height=3.2) as (figure, axes):
        bins = np.linspace(float(chance.min()), float(chance.max()), 31)
        for group, label, colour in ((1, "treated", COLOURS[0]), (0, "untreated", COLOURS[1])):
            axes.hist(
                chance[treated == group], bins=bins, density=True, alpha=0.45, color=colour, label=label
            )
        axes.set(xlabel="Propensity score", ylabel="Density")
        axes.legend()
        return drawn(
            figure,
            alt="Histograms of the propensity score of treated and untreated patients",
            caption="Propensity scores before matching: where they do not overlap, nobody can be compared",
        )
