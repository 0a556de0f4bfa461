"""Every analysis there is: what it asks for, and the function that does it."""

from __future__ import annotations

import enum
import importlib
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from study.result import Result


class Kind(enum.Enum):
    """What a field of a form is filled with."""

    NUMBER_COLUMN = "a column of numbers"
    TWO_VALUES = "a column with two values"
    GROUPS = "a column with few values"
    RESPONSE = "a column of numbers, or with two values"
    COLUMNS = "several columns"
    NUMBER_COLUMNS = "several columns of numbers"
    CHOICE = "one of a few"
    NUMBER = "a number"
    WHOLE_NUMBER = "a whole number"
    FLAG = "yes or no"

    @property
    def is_column(self) -> bool:
        """One column is chosen."""
        return self in (Kind.NUMBER_COLUMN, Kind.TWO_VALUES, Kind.GROUPS, Kind.RESPONSE)

    @property
    def is_columns(self) -> bool:
        """Any number of columns is chosen."""
        return self in (Kind.COLUMNS, Kind.NUMBER_COLUMNS)


@dataclass(frozen=True)
class Field:
    """One thing that an analysis asks for."""

    name: str
    label: str
    kind: Kind
    default: Any = None
    choices: dict[str, str] = field(default_factory=dict)
    low: float = 0
    high: float = 0
    optional: bool = False


@dataclass(frozen=True)
class Analysis:
    """A name, words for people, and the form; ``study.NAME`` has a function called as the module is."""

    name: str
    title: str
    about: str
    fields: tuple[Field, ...]
    is_long: bool = False

    def compute(self, table: pd.DataFrame, options: dict[str, Any]) -> Result:
        """Do it; a StudyError if it cannot be done with these columns."""
        module = importlib.import_module(f"study.{self.name}")
        return getattr(module, self.name)(table, options)


TIME = Field("time", "Time to event or end of follow-up", Kind.NUMBER_COLUMN)
EVENT = Field("event", "Event happened", Kind.TWO_VALUES)
SWAP = Field("swap", "Count the other of its two values as the event", Kind.FLAG, False)
COVARIATES = Field("covariates", "Covariates", Kind.COLUMNS)

SUMMARIES = {"median": "median (quartiles)", "mean": "mean (SD)"}
METHODS = {"ml": "maximum likelihood", "firth": "Firth's penalised likelihood"}

ANALYSES = {
    analysis.name: analysis
    for analysis in (
        Analysis(
            "table_one",
            "Table one",
            "Who the patients are, in all and by group.",
            (
                Field("columns", "Characteristics", Kind.COLUMNS),
                Field("group", "Compare groups of", Kind.GROUPS, optional=True),
                Field("summary", "Numbers as", Kind.CHOICE, "median", SUMMARIES),
            ),
        ),
        Analysis(
            "kaplan_meier",
            "Kaplan–Meier",
            "How many are without the event after how long, and whether groups differ.",
            (TIME, EVENT, SWAP, Field("group", "Compare groups of", Kind.GROUPS, optional=True)),
        ),
        Analysis(
            "cox",
            "Cox",
            "What makes the event come sooner or later, each covariate adjusted for the others.",
            (TIME, EVENT, SWAP, COVARIATES),
        ),
        Analysis(
            "logistic",
            "Logistic",
            "What makes an outcome likelier. Firth's method is for few events and separation.",
            (
                Field("outcome", "Outcome", Kind.TWO_VALUES),
                SWAP,
                COVARIATES,
                Field("method", "Method", Kind.CHOICE, "ml", METHODS),
            ),
        ),
        Analysis(
            "roc",
            "ROC",
            "How well measurements tell patients with the event from those without.",
            (
                Field("response", "Event", Kind.TWO_VALUES),
                SWAP,
                Field("scores", "Measurements", Kind.NUMBER_COLUMNS),
            ),
        ),
        Analysis(
            "propensity",
            "Propensity",
            "Treated patients beside untreated ones who were as likely to be treated.",
            (
                Field("treatment", "Treatment", Kind.TWO_VALUES),
                SWAP,
                COVARIATES,
                Field("calliper", "Calliper, in standard deviations", Kind.NUMBER, 0.2, low=0.01, high=2),
                Field("response", "Compare the outcome", Kind.RESPONSE, optional=True),
            ),
        ),
        Analysis(
            "validation",
            "Validation",
            "What a Cox model's C-index is worth on new patients: 750 times the patients are drawn anew and "
            "the model is fitted again, which takes a minute. Whoever asks for the same has it at once.",
            (
                TIME,
                EVENT,
                SWAP,
                COVARIATES,
                Field("rounds", "Resamples", Kind.WHOLE_NUMBER, 750, low=10, high=2000),
                Field("seed", "Seed", Kind.WHOLE_NUMBER, 1, low=0, high=2**31 - 1),
            ),
            is_long=True,
        ),
    )
}


def modules() -> list[str]:
    """Return the modules of all analyses; with their libraries they take seconds to load."""
    return [f"study.{name}" for name in ANALYSES]


def run(name: str, table: pd.DataFrame, options: dict[str, Any]) -> dict[str, Any]:
    """Do the analysis called *name*, and return its result as JSON types; a queue's worker calls this."""
    return ANALYSES[name].compute(table, options).to_json()
