"""What counts as worse in a run of the client's own tests."""

from __future__ import annotations

import json
from pathlib import Path

from conformance import expectations, outcome
from conformance.expectations import Expected, Group

EXPECTED = Expected(1, {}, (), (), (Group("known", "not there yet", ("test_a.py::Known::*",)),))


def report(folder: Path, *rows: tuple[str, str, str, int]) -> Path:
    """Write what the tests' process writes: a test's name, how a part of it ended, why, and its requests."""
    file = folder / "report.jsonl"
    lines = [
        json.dumps({"test": test, "outcome": how, "why": why, "asked": asked, "seconds": 0.1})
        for test, how, why, asked in rows
    ]
    file.write_text("\n".join(lines))
    return file


def test_a_failure_that_nobody_expected_is_worse(tmp_path: Path):
    """A test that fails in its setup, call or teardown is named, unless it is known to fail."""
    found = outcome.read(
        report(
            tmp_path,
            ("test_a.py::test_good", "passed", "", 3),
            ("test_a.py::test_torn", "passed", "", 3),
            ("test_a.py::test_torn", "failed", "HTTP 500\nmore", 4),
            ("test_a.py::Known::test[x]", "failed", "HTTP 501", 1),
        ),
        EXPECTED,
    )

    assert found.regressions(EXPECTED) == ["test_a.py::test_torn\n    HTTP 500"]
    assert [test.name for test in found.known] == ["test_a.py::Known::test[x]"]


def test_tests_that_vanish_are_worse(tmp_path: Path):
    """A run in which fewer tests ask the Hub and pass than before does not pass for a good one."""
    found = outcome.read(report(tmp_path, ("test_a.py::test_other", "passed", "", 0)), EXPECTED)

    assert found.regressions(EXPECTED) == ["0 tests passed against the Hub; 1 did before"]


def test_what_passes_now_and_what_does_not_apply_are_told(tmp_path: Path):
    """The table says which known failure is mended, and gives each reason with its number of tests."""
    found = outcome.read(
        report(
            tmp_path,
            ("test_a.py::Known::test", "passed", "", 2),
            ("test_a.py::test_good", "passed", "", 2),
            ("test_a.py::test_far", "skipped", "not applicable: elsewhere", 0),
        ),
        EXPECTED,
    )

    table = found.table(EXPECTED)
    assert found.regressions(EXPECTED) == []
    assert "passes now, take it off the list: test_a.py::Known::test" in table
    assert "     1    elsewhere" in table


def test_every_exclusion_has_a_reason():
    """`expected.toml` is well formed, and nothing in it is left out without saying why."""
    expected = expectations.read()

    groups = [*expected.ignored, *expected.excluded, *expected.failing]
    assert all(group.why and group.tests for group in groups)
    assert all(expected.markers.values())
