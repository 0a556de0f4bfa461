"""Files that people choose: read as they were meant, or refused in words."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.apps.shiny_statistics.conftest import Study, StudyProblemError

pytestmark = pytest.mark.slow


def read(study: Study, path: Path, name: str = "") -> dict[str, Any]:
    """Return the table in *path* as its columns and rows."""
    found: dict[str, Any] = study.call("study.dataset:read", str(path), name or path.name)
    return {"columns": found["columns"], "rows": found["data"]}


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"age,sex\n61,f\n70,m\n", [[61, "f"], [70, "m"]]),
        ("\ufeffage;weight\n61;70,5\n70;81,25\n".encode(), [[61, 70.5], [70, 81.25]]),
        ("age\tname\n61\tMüller\n70\t\n".encode("cp1252"), [[61, "Müller"], [70, None]]),
        ("age,sex\n61,f\n70,m\n".encode("utf-16"), [[61, "f"], [70, "m"]]),
    ],
    ids=["commas", "semicolons and decimal commas", "tabs of an older Windows", "UTF-16"],
)
def test_text_is_read_as_it_was_written(study: Study, tmp_path: Path, content: bytes, rows: list[Any]):
    """
    Separators, decimal commas and encodings are told from the file.
    """
    (tmp_path / "patients.csv").write_bytes(content)
    assert read(study, tmp_path / "patients.csv")["rows"] == rows


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.pdf", b"%PDF", "neither CSV nor Excel"),
        ("empty.csv", b"", "empty or no text"),
        ("picture.csv", b"a\0b\0c", "empty or no text"),
        ("one.csv", b"age\n61\n", "2 rows|1 rows"),
        ("twice.csv", b"age,a  b,a b\n61,1,2\n", "Two columns"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3,4\n", "is no table"),
        ("broken.xlsx", b"PK\x03\x04 and no more", "cannot be read as an Excel workbook"),
    ],
)
def test_what_is_no_table_is_refused_in_words(
    study: Study, tmp_path: Path, name: str, content: bytes, message: str
):
    """
    The message names the file, and the hint says what to do.
    """
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StudyProblemError, match=message) as refused:
        read(study, tmp_path / name)
    assert (refused.value.kind, bool(refused.value.hint)) == ("UploadError", True)


def test_a_workbook_that_is_only_a_zip_is_refused(study: Study, tmp_path: Path):
    """
    Whatever the reader of workbooks raises, the user reads a sentence.
    """
    with zipfile.ZipFile(tmp_path / "pretended.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<nothing/>")
    with pytest.raises(StudyProblemError, match="cannot be read as an Excel workbook"):
        read(study, tmp_path / "pretended.xlsx")
