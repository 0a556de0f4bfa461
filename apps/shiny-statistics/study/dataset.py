"""The patients: an example that is there, or a CSV or Excel file that somebody chose."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from spacehand_runtime import content_key
from study.errors import UploadError

MOST_BYTES = 20_000_000
MOST_ROWS, MOST_COLUMNS = 100_000, 300
ENDINGS = (".csv", ".tsv", ".txt", ".xlsx")

_SNIFFED = 64_000  # bytes from which the separator is told


@dataclass(frozen=True)
class Dataset:
    """
    A table with one row for each patient; *key* is its whole content, *roles* what columns are used as first.
    """

    name: str
    table: pd.DataFrame
    key: str
    about: str = ""
    roles: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, name: str, table: pd.DataFrame, about: str = "", roles: dict[str, Any] | None = None
    ) -> Dataset:
        """Return *table* under its *name*, with a key that nobody can make two tables for."""
        return cls(name, table, content_key(table, secure=True), about, roles or {})


@dataclass(frozen=True)
class Example:
    """A published data set that one of the libraries brings along."""

    title: str
    about: str
    load: Callable[[], pd.DataFrame]
    roles: dict[str, Any]

    def dataset(self) -> Dataset:
        """Return its patients."""
        return Dataset.of(self.title, self.load(), self.about, self.roles)


def read(path: str, name: str) -> pd.DataFrame:
    """
    Return the table in the file at *path*, which its owner called *name*.

    Raises:
        UploadError: it is no table, or too large a one.
    """
    ending = Path(name).suffix.lower()
    if ending not in ENDINGS:
        raise UploadError(
            f"`{name}` is neither CSV nor Excel", "Save it as .csv or .xlsx and choose it again"
        )
    size = Path(path).stat().st_size
    if size > MOST_BYTES:
        raise UploadError(
            f"`{name}` has {size / 1e6:.0f} MB, more than {MOST_BYTES // 1_000_000}",
            "Leave out columns or rows",
        )
    table = _workbook(path, name) if ending == ".xlsx" else _text(Path(path).read_bytes(), name)
    return _checked(table, name)


def _workbook(path: str, name: str) -> pd.DataFrame:
    try:
        return pd.read_excel(path, engine="openpyxl", nrows=MOST_ROWS + 1)
    except Exception as error:  # openpyxl raises whatever its XML and zip readers do
        raise UploadError(
            f"`{name}` cannot be read as an Excel workbook", "Save it anew as .xlsx or .csv"
        ) from error


def _text(data: bytes, name: str) -> pd.DataFrame:
    text = _decoded(data)
    if "\0" in text or not text.strip():
        raise UploadError(f"`{name}` is empty or no text", "Save it as .csv with a line of column names")
    separator = _separator(text[:_SNIFFED])
    try:
        # With a semicolon between values, the comma is what stands before a number's fraction.
        return pd.read_csv(
            io.StringIO(text),
            sep=separator,
            decimal="," if separator == ";" and ";" in text else ".",
            nrows=MOST_ROWS + 1,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise UploadError(
            f"`{name}` is no table: {str(error).strip().removeprefix('Error tokenizing data. C error: ')}",
            "Each line needs as many values as there are column names",
        ) from error


def _decoded(data: bytes) -> str:
    for encoding in ("utf-8-sig", "utf-16") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("cp1252", "replace")  # what Excel on Windows writes


def _separator(beginning: str) -> str:
    line = beginning.splitlines()[0]
    found = max(",;\t|", key=line.count)
    if line.count(found):
        return found
    try:
        return csv.Sniffer().sniff(beginning, " ").delimiter
    except csv.Error:
        return ","


def _checked(table: pd.DataFrame, name: str) -> pd.DataFrame:
    table = table.dropna(axis="columns", how="all").dropna(axis="index", how="all").reset_index(drop=True)
    if table.empty or table.shape[1] < 2:
        raise UploadError(
            f"`{name}` has {len(table)} rows and {table.shape[1]} columns with values",
            "It needs a line of column names, and one row for each patient",
        )
    if len(table) > MOST_ROWS or table.shape[1] > MOST_COLUMNS:
        raise UploadError(
            f"`{name}` has {len(table):,} rows and {table.shape[1]} columns",
            f"At most {MOST_ROWS:,} rows and {MOST_COLUMNS} columns are possible here",
        )
    table.columns = [" ".join(str(column).split()) for column in table.columns]
    if twice := sorted({column for column in table.columns if list(table.columns).count(column) > 1}):
        raise UploadError(f"Two columns of `{name}` are called `{twice[0]}`", "Rename one of them")
    return table.apply(_plain)


def _plain(column: pd.Series) -> pd.Series:
    """Return dates and mixed cells as texts, which a model can use as categories."""
    if pd.api.types.is_numeric_dtype(column):
        return column
    return column.map(lambda value: None if pd.isna(value) else str(value).strip() or None)


def _gbsg2() -> pd.DataFrame:
    from lifelines.datasets import load_gbsg2  # the libraries take a second to load

    return load_gbsg2()


def _lung() -> pd.DataFrame:
    from lifelines.datasets import load_lung

    return load_lung()


_GBSG2_COVARIATES = ["horTh", "age", "menostat", "tsize", "tgrade", "pnodes", "progrec", "estrec"]

EXAMPLES = {
    "gbsg2": Example(
        "Breast cancer (GBSG 2)",
        "686 women with node-positive breast cancer, of whom 246 had hormone therapy; recurrence-free "
        "survival in days (Schumacher et al. 1994). Comes with lifelines.",
        _gbsg2,
        {
            "time": "time",
            "event": "cens",
            "group": "horTh",
            "outcome": "horTh",
            "treatment": "horTh",
            "covariates": _GBSG2_COVARIATES,
            "columns": _GBSG2_COVARIATES,
            "scores": ["pnodes", "progrec", "tsize"],
            "response": "cens",
        },
    ),
    "lung": Example(
        "Lung cancer (NCCTG)",
        "228 patients with advanced lung cancer and how well they got along in daily life (Loprinzi et al. "
        "1994). Some values are missing. Comes with lifelines.",
        _lung,
        {
            "time": "time",
            "event": "status",
            "group": "sex",
            "outcome": "status",
            "treatment": "sex",
            "covariates": ["age", "sex", "ph.ecog", "wt.loss"],
            "columns": ["age", "sex", "ph.ecog", "ph.karno", "pat.karno", "meal.cal", "wt.loss"],
            "scores": ["age", "ph.ecog"],
            "response": "status",
        },
    ),
}
