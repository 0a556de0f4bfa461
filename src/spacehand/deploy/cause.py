"""The one line of a log that says why."""

from __future__ import annotations

import re
from collections.abc import Iterable

from spacehand.errors import SpacehandError
from spacehand.hub._protocol import Hub
from spacehand.ids import RepoId

_LONGEST = 300  # characters of a cause; some tools print whole files in one line

# The most telling first. Each is searched from the end of the log: the last error is the one that ended it.
_TELLING = tuple(
    re.compile(pattern)
    for pattern in (
        r"\bBecause .+ (?:depends on|require|we can conclude|unsatisfiable)",
        r"No matching distribution found|Could not find a version|was not found in the package registry",
        r"No solution found when resolving|ResolutionImpossible|conflicting dependencies",
        r"dockerfile parse error|failed to solve|unknown instruction",
        r"Memory limit exceeded|OOMKilled|Out of memory|CUDA out of memory",
        r"No space left on device|storage limit exceeded",
        r"Address already in use|Cannot find empty port",
        r"^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt)(?::|$)",
        r"(?i)\berror\b[: ]",
        r"(?i)\b(?:failed|fatal|cannot|no such file)\b",
    )
)


def cause(lines: Iterable[str]) -> str | None:
    """Return the line of a log that says why it ended, None when none does."""
    kept = [line.strip().removeprefix("cause: ") for line in lines if line.strip()]
    for pattern in _TELLING:
        for line in reversed(kept):
            if pattern.search(line):
                return line[:_LONGEST]
    return kept[-1][:_LONGEST] if kept else None


def cause_in_log(hub: Hub, space: RepoId, kind: str) -> str | None:
    """Return the cause that the Space's ``build`` or ``run`` log tells; None when there is no log."""
    try:
        return cause(line.text for line in hub.logs(space, kind))
    except SpacehandError:
        return None  # the failure that is being explained matters more than this one
