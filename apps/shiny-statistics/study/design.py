"""From a table's columns to what a model is fitted to: complete rows, 0/1 outcomes, coded categories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.errors import ChoiceError

FEWEST_ROWS = 10
MOST_LEVELS = 20  # of a category that becomes columns of a model


@dataclass(frozen=True)
class Outcome:
    """A column of two values as 0 and 1; *event* says what 1 stands for."""

    values: np.ndarray
    column: str
    event: str

    @property
    def count(self) -> int:
        """How many events there are."""
        return int(self.values.sum())


def complete_rows(table: pd.DataFrame, columns: list[str]) -> tuple[pd.DataFrame, int]:
    """
    Return the rows that have a value in each of *columns*, and how many were left out.

    Raises:
        ChoiceError: a column is named twice or is not there, or too few rows are left.
    """
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise ChoiceError(f"`{twice[0]}` is chosen twice", "Give each column one role")
    if missing := [name for name in columns if name not in table.columns]:
        raise ChoiceError(f"There is no column `{missing[0]}`", "Choose the columns again")
    rows = table[columns].replace([np.inf, -np.inf], np.nan).dropna().reset_index(drop=True)
    if len(rows) < FEWEST_ROWS:
        raise ChoiceError(
            f"Only {len(rows)} rows have a value in each chosen column; at least {FEWEST_ROWS} are needed",
            "Leave out columns with many missing values",
        )
    return rows, len(table) - len(rows)


def outcome(column: pd.Series, *, swapped: bool = False) -> Outcome:
    """
    Return *column* as 0 and 1: the later of its two values is the event (1, yes, True), unless *swapped*.

    Raises:
        ChoiceError: it does not have exactly two values.
    """
    levels = sorted(column.unique(), key=lambda value: (isinstance(value, str), value))
    if len(levels) != 2:
        raise ChoiceError(
            f"`{column.name}` has {len(levels)} different values, and an outcome has two",
            "Choose a column such as 0/1, no/yes or alive/dead",
        )
    event = levels[0] if swapped else levels[1]
    return Outcome((column == event).to_numpy(dtype=float), str(column.name), f"{column.name} = {event}")


def times(column: pd.Series) -> np.ndarray:
    """
    Return follow-up times as numbers above 0.

    Raises:
        ChoiceError: they are not numbers, or some are 0 or less.
    """
    values = numbers(column)
    if (values <= 0).any():
        raise ChoiceError(
            f"`{column.name}` has times of 0 or less ({int((values <= 0).sum())} rows)",
            "Correct these rows, or add half a day to each time",
        )
    return values


def numbers(column: pd.Series) -> np.ndarray:
    """Return *column* as floats; a ChoiceError if it holds anything else."""
    if not is_numeric(column):
        raise ChoiceError(f"`{column.name}` holds texts where numbers are needed", "Choose a numeric column")
    return column.to_numpy(dtype=float)


def is_numeric(column: pd.Series) -> bool:
    """Whether *column* is to be taken as a measurement rather than as a category."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def design(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """
    Return *columns* as floats: numbers as they are, a category as one column for each value but the first.

    Raises:
        ChoiceError: a column is constant, has too many values, or follows from the others.
    """
    if not columns:
        raise ChoiceError("No covariates are chosen", "Choose at least one")
    parts = [_coded(rows[name]) for name in columns]
    matrix = pd.concat(parts, axis=1)
    if matrix.shape[1] >= len(matrix):
        raise ChoiceError(
            f"{matrix.shape[1]} coefficients are too many for {len(matrix)} rows", "Choose fewer covariates"
        )
    _refuse_dependent(matrix)
    return matrix


def _coded(column: pd.Series) -> pd.DataFrame:
    levels = sorted(column.unique(), key=lambda value: (isinstance(value, str), value))
    if len(levels) < 2:
        raise ChoiceError(f"`{column.name}` is {levels[0]} in each row", "Leave it out")
    if is_numeric(column):
        return column.astype(float).to_frame()
    if len(levels) > MOST_LEVELS:
        raise ChoiceError(
            f"`{column.name}` has {len(levels)} different values, more than the {MOST_LEVELS} of a category",
            "Leave it out, or put values together",
        )
    return pd.DataFrame({f"{column.name}: {level}": (column == level).astype(float) for level in levels[1:]})


def _refuse_dependent(matrix: pd.DataFrame) -> None:
    centred = matrix - matrix.mean()
    scaled = (centred / centred.std(ddof=0)).to_numpy()
    if np.linalg.matrix_rank(scaled) == matrix.shape[1]:
        return
    for number in range(1, matrix.shape[1] + 1):
        if np.linalg.matrix_rank(scaled[:, :number]) < number:
            name = matrix.columns[number - 1]
            raise ChoiceError(f"`{name}` follows from the covariates before it", "Leave one of them out")
