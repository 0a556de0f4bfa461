"""An analysis' form: made of its fields and the columns that the data have."""

from __future__ import annotations

from typing import Any

import pandas as pd
from htmltools import Tag, TagList
from shiny import Inputs, ui
from study.catalogue import Analysis, Field, Kind
from study.dataset import Dataset
from study.design import is_numeric
from study.errors import ChoiceError

_NONE = "–"  # of a column that need not be chosen
_FEW = 20  # values of a column that makes groups


def fields(analysis: Analysis, data: Dataset) -> TagList:
    """Return an input for each field, filled with what the data are used for as a rule."""
    taken = {data.roles.get(field.name) for field in analysis.fields if field.kind.is_column}
    return TagList(*(_input(field, data, taken) for field in analysis.fields))


def filled(analysis: Analysis, inputs: Inputs) -> dict[str, Any]:
    """
    Return what was chosen, by the fields' names.

    Raises:
        ChoiceError: something is missing, or out of bounds.
    """
    return {field.name: _value(field, inputs[field.name]()) for field in analysis.fields}


def fitting(kind: Kind, table: pd.DataFrame) -> list[str]:
    """Return the columns of *table* that a field of this *kind* may be filled with."""
    return [str(name) for name in table.columns if _fits(kind, table[name])]


def _fits(kind: Kind, column: pd.Series) -> bool:
    values = column.nunique()
    if kind in (Kind.NUMBER_COLUMN, Kind.NUMBER_COLUMNS):
        return is_numeric(column) and values > 1
    if kind is Kind.TWO_VALUES:
        return values == 2
    if kind is Kind.RESPONSE:
        return values == 2 or (is_numeric(column) and values > 1)
    if kind is Kind.GROUPS:
        return 2 <= values <= _FEW
    return values > 1


def _input(field: Field, data: Dataset, taken: set[str | None]) -> Tag:
    usual = data.roles.get(field.name, field.default)
    match field.kind:
        case Kind.FLAG:
            return ui.input_checkbox(field.name, field.label, bool(field.default))
        case Kind.NUMBER | Kind.WHOLE_NUMBER:
            step = 1 if field.kind is Kind.WHOLE_NUMBER else 0.05
            return ui.input_numeric(field.name, field.label, usual, min=field.low, max=field.high, step=step)
        case Kind.CHOICE:
            return ui.input_select(field.name, field.label, field.choices, selected=usual)
    names = fitting(field.kind, data.table)
    if field.kind.is_columns:
        chosen = [name for name in usual or [] if name in names and name not in taken]
        return ui.input_selectize(field.name, field.label, names, selected=chosen, multiple=True)
    choices = [_NONE, *names] if field.optional else names
    return ui.input_select(field.name, field.label, choices, selected=usual if usual in names else None)


def _value(field: Field, given: Any) -> Any:
    if field.kind.is_columns:
        return list(given or ())
    if field.kind.is_column:
        if given in (None, "", _NONE):
            if field.optional:
                return None
            raise ChoiceError(f"No column is chosen for “{field.label}”", f"It has to be {field.kind.value}")
        return str(given)
    if field.kind in (Kind.NUMBER, Kind.WHOLE_NUMBER):
        if not isinstance(given, int | float) or not field.low <= given <= field.high:
            raise ChoiceError(f"“{field.label}” has to be between {field.low:g} and {field.high:g}")
        return int(given) if field.kind is Kind.WHOLE_NUMBER else float(given)
    return given
