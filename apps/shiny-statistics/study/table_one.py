"""Who the patients are: the first table of a paper, by group, with tests and standardised differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, fisher_exact, kruskal, mannwhitneyu
from statsmodels.stats.oneway import anova_oneway

from study.design import is_numeric
from study.errors import ChoiceError
from study.result import Result, Table, number_text, p_text

MOST_GROUPS, MOST_LEVELS = 6, 30


@dataclass(frozen=True)
class Comparison:
    """What is told of one column: its rows of the table, its test, and the numbers."""

    rows: list[list[str]]
    test: str
    numbers: dict[str, Any]


def table_one(table: pd.DataFrame, options: dict[str, Any]) -> Result:
    """
    Return the distribution of each column, in all and by group.

    Means are compared by Welch's test, medians by Mann–Whitney's or Kruskal–Wallis', categories by the
    χ² test, or Fisher's where an expected count is below 5. *options*: ``columns``; ``group``: a column or
    None; ``summary``: ``median`` or ``mean``.
    """
    group = options.get("group") or None
    names = [name for name in options["columns"] if name != group]
    if not names:
        raise ChoiceError("No columns are chosen", "Choose what the table is to tell of")
    if group:
        table = table[table[group].notna()]
    labels = table[group].astype(str) if group else pd.Series("All", index=table.index)
    groups = sorted(labels.unique()) if group else []
    if len(groups) > MOST_GROUPS:
        raise ChoiceError(
            f"`{group}` has {len(groups)} groups, more than {MOST_GROUPS}", "Choose another column"
        )
    by_mean = options.get("summary") == "mean"
    compared = {name: _compared(table[name], labels, groups, by_mean) for name in names}
    counts = ["Patients", str(len(table)), *(str(int((labels == one).sum())) for one in groups)]
    heads = ["", "All", *(f"{group} = {one}" for one in groups)]
    extra = ["p", "SMD"] if len(groups) == 2 else (["p"] if len(groups) > 2 else [])
    rows = [counts + [""] * len(extra), *(row for one in compared.values() for row in one.rows)]
    tests = sorted({one.test for one in compared.values() if one.test})
    return Result(
        title="Table one" + (f", by {group}" if group else ""),
        method=f"Numbers are {'mean (SD)' if by_mean else 'median (quartiles)'}, categories are n (%)."
        + (f" Groups were compared by {', '.join(tests)}." if tests else "")
        + (
            " SMD is the standardised mean difference (Austin 2009, Yang and Dalton 2012)."
            if len(groups) == 2
            else ""
        ),
        facts=[("Patients", str(len(table))), *([("Groups", str(len(groups)))] if groups else [])],
        tables=[Table("Characteristics", heads + extra, rows)],
        notes=_notes(table, names, groups),
        numbers={"n": len(table), "columns": {name: one.numbers for name, one in compared.items()}},
    )


def _compared(column: pd.Series, labels: pd.Series, groups: list[str], by_mean: bool) -> Comparison:
    here = column.notna()
    values, labels = column[here], labels[here]
    if is_numeric(column) and column.nunique() > 2:
        return _of_numbers(values.astype(float), labels, groups, by_mean, int((~here).sum()))
    return _of_categories(values.astype(str), labels, groups, int((~here).sum()))


def _of_numbers(
    values: pd.Series, labels: pd.Series, groups: list[str], by_mean: bool, missing: int
) -> Comparison:
    parts = [values[labels == one].to_numpy() for one in groups]
    told = [_spread(part, by_mean) for part in (values.to_numpy(), *parts)]
    test, p = _test_of_numbers(parts, by_mean)
    numbers: dict[str, Any] = {"p": p, "test": test, "missing": missing}
    row = [f"{values.name}, {'mean (SD)' if by_mean else 'median (IQR)'}", *told]
    if groups:
        row.append(p_text(p))
    if len(groups) == 2:
        numbers["smd"] = standardised_difference(*parts)
        row.append(number_text(numbers["smd"], 3))
    return Comparison([row], test, numbers)


def _spread(values: np.ndarray, by_mean: bool) -> str:
    if not len(values):
        return "–"
    if by_mean:
        error = values.std(ddof=1) if len(values) > 1 else float("nan")
        return f"{number_text(float(values.mean()), 1)} ({number_text(float(error), 1)})"
    low, middle, high = (number_text(float(at), 1) for at in np.percentile(values, [25, 50, 75]))
    return f"{middle} ({low} to {high})"


def _test_of_numbers(parts: list[np.ndarray], by_mean: bool) -> tuple[str, float]:
    if len(parts) < 2 or min(len(part) for part in parts) < 2:
        return "", float("nan")
    if by_mean:
        return "Welch's test", float(anova_oneway(parts, use_var="unequal").pvalue)
    if len(parts) == 2:
        return "the Mann–Whitney test", float(mannwhitneyu(*parts).pvalue)
    return "the Kruskal–Wallis test", float(kruskal(*parts).pvalue)


def standardised_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return the absolute difference of the means over the root of the variances' mean (Austin 2009)."""
    spread = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 2)
    return float(abs(one.mean() - other.mean()) / spread) if spread > 0 else float("nan")


def _of_categories(values: pd.Series, labels: pd.Series, groups: list[str], missing: int) -> Comparison:
    levels = sorted(values.unique())
    if len(levels) > MOST_LEVELS:
        row = [f"{values.name}: {len(levels)} different values", *[""] * (1 + len(groups))]
        return Comparison(
            [row + [""] * (min(len(groups), 2) if len(groups) > 1 else 0)], "", {"missing": missing}
        )
    counts = (
        pd.crosstab(values, labels).reindex(index=levels, columns=groups or ["All"], fill_value=0).to_numpy()
    )
    test, p = _test_of_counts(counts) if groups else ("", float("nan"))
    numbers: dict[str, Any] = {"p": p, "test": test, "missing": missing, "counts": counts.tolist()}
    ends = [p_text(p)] if groups else []
    if len(groups) == 2:
        numbers["smd"] = categorical_difference(counts)
        ends.append(number_text(numbers["smd"], 3))
    shown = np.column_stack([counts.sum(axis=1), counts]) if groups else counts
    # Of two values one says it all.
    first = 1 if len(levels) == 2 else 0
    rows = [
        [
            f"{values.name} = {level}, n (%)",
            *(_share(part, whole) for part, whole in zip(shown[i], shown.sum(axis=0), strict=True)),
        ]
        for i, level in enumerate(levels)
    ][first:]
    blank = [""] * len(ends)
    return Comparison([row + (ends if not place else blank) for place, row in enumerate(rows)], test, numbers)


def _share(part: int, whole: int) -> str:
    return f"{part} ({100 * part / whole:.1f})" if whole else "0"


def _test_of_counts(counts: np.ndarray) -> tuple[str, float]:
    counts = counts[:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2:
        return "", float("nan")
    test = chi2_contingency(counts, correction=False)
    if test.expected_freq.min() < 5 and counts.shape == (2, 2):
        return "Fisher's exact test", float(fisher_exact(counts).pvalue)
    return "the χ² test", float(test.pvalue)


def categorical_difference(counts: np.ndarray) -> float:
    """
    Return the standardised difference of a category between two groups (levels by groups).

    The Mahalanobis distance of the shares of all levels but the first (Yang and Dalton 2012).
    """
    if (counts.sum(axis=0) == 0).any():
        return float("nan")
    shares = counts / counts.sum(axis=0)
    one, other = shares[1:, 0], shares[1:, 1]
    covariance = sum(np.diag(part) - np.outer(part, part) for part in (one, other)) / 2
    difference = one - other
    return float(np.sqrt(max(0.0, difference @ np.linalg.pinv(covariance) @ difference)))


def _notes(table: pd.DataFrame, names: list[str], groups: list[str]) -> list[str]:
    notes = [f"{name}: {int(count)} missing" for name, count in table[names].isna().sum().items() if count]
    if groups:
        notes.append(
            "p-values describe, they do not choose covariates; SMDs do not depend on the number of patients."
        )
    return notes
