"""What is expected of each of the client's tests: `expected.toml`, read once."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "expected.toml"


@dataclass(frozen=True)
class Group:
    """Tests that share a reason; *tests* are globs of ``file.py::Class::test``, or whole files."""

    name: str
    why: str
    tests: tuple[str, ...]

    def holds(self, test: str) -> bool:
        """Whether *test* is one of the group's."""
        return any(fnmatch.fnmatchcase(test, glob.replace("[", "[[]")) for glob in self.tests)


@dataclass(frozen=True)
class Expected:
    """Everything that does not simply have to pass, and how many have to."""

    at_least: int  # tests that ask the Hub and pass
    markers: Mapping[str, str]  # tests with this marker are not applicable, for this reason
    ignored: tuple[Group, ...]  # whole files, not even imported
    excluded: tuple[Group, ...]  # not applicable
    failing: tuple[Group, ...]  # they should pass, and do not yet


def read(file: Path = FILE) -> Expected:
    """Return the expectations in *file*."""
    table = tomllib.loads(file.read_text())
    return Expected(
        table["at_least"],
        table["markers"],
        _groups(table, "ignored"),
        _groups(table, "excluded"),
        _groups(table, "failing"),
    )


def _groups(table: Mapping[str, Any], key: str) -> tuple[Group, ...]:
    found = table.get(key, {})
    return tuple(Group(name, group["why"], tuple(group["tests"])) for name, group in found.items())
