"""How a run ended, test by test, beside what was expected."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from conformance.expectations import Expected

NOT_APPLICABLE = "not applicable: "


@dataclass
class Test:
    """One test of the client."""

    name: str
    asked: int = 0  # requests to the Hub
    failed: bool = False
    skipped: bool = False
    why: str = ""
    seconds: float = 0.0

    def add(self, row: dict[str, object]) -> None:
        """Take in how the setup, the call or the teardown ended."""
        self.asked = max(self.asked, int(str(row["asked"])))
        self.seconds += float(str(row["seconds"]))
        self.failed |= row["outcome"] == "failed"
        self.skipped |= row["outcome"] == "skipped"
        self.why = self.why or str(row["why"])


@dataclass
class Outcome:
    """The tests of a run, sorted into what matters."""

    passed: list[Test] = field(default_factory=list)  # asked the Hub
    without_hub: list[Test] = field(default_factory=list)  # passed, and asked nothing
    failed: list[Test] = field(default_factory=list)  # and nobody expected it
    known: list[Test] = field(default_factory=list)  # failed, as expected
    mended: list[Test] = field(default_factory=list)  # passed, though expected to fail
    inapplicable: Counter[str] = field(default_factory=Counter)  # by reason
    skipped: list[Test] = field(default_factory=list)  # by the tests themselves

    def regressions(self, expected: Expected) -> list[str]:
        """Return what got worse, a line for each; empty when nothing did."""
        lines = [f"{test.name}\n    {_first_line(test.why)}" for test in self.failed]
        if len(self.passed) < expected.at_least:
            lines.append(f"{len(self.passed)} tests passed against the Hub; {expected.at_least} did before")
        return lines

    def table(self, expected: Expected) -> str:
        """Return the summary that a person reads."""
        rows = [
            ("passed against the local Hub", len(self.passed) + len(self.mended)),
            ("failed", len(self.failed)),
            ("failed as expected", len(self.known)),
            ("passed without asking a Hub", len(self.without_hub)),
            ("skipped by the tests themselves", len(self.skipped)),
            ("not applicable", sum(self.inapplicable.values())),
        ]
        rows += [(f"  {reason}", count) for reason, count in self.inapplicable.most_common()]
        text = "\n".join(f"{count:6}  {name}" for name, count in rows)
        for group in expected.failing:
            hit = [test.name for test in self.known if group.holds(test.name)]
            text += "".join(f"\nfails as expected ({group.why}): {name}" for name in hit)
        return text + "".join(f"\npasses now, take it off the list: {test.name}" for test in self.mended)


def read(report: Path, expected: Expected) -> Outcome:
    """Sort the tests that *report* tells of."""
    outcome = Outcome()
    for test in _tests(report.read_text().splitlines()):
        _sort(test, outcome, expected)
    for group in expected.ignored:
        outcome.inapplicable[group.why] += 0
    return outcome


def _tests(lines: Iterable[str]) -> list[Test]:
    tests: dict[str, Test] = {}
    for line in lines:
        row = json.loads(line)
        tests.setdefault(row["test"], Test(row["test"])).add(row)
    return list(tests.values())


def _sort(test: Test, outcome: Outcome, expected: Expected) -> None:
    awaited = any(group.holds(test.name) for group in expected.failing)
    if test.failed:
        (outcome.known if awaited else outcome.failed).append(test)
    elif test.skipped and test.why.startswith(NOT_APPLICABLE):
        outcome.inapplicable[test.why.removeprefix(NOT_APPLICABLE)] += 1
    elif test.skipped:
        outcome.skipped.append(test)
    elif awaited:
        outcome.mended.append(test)
    else:
        (outcome.passed if test.asked else outcome.without_hub).append(test)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:300]
