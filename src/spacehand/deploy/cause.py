"""What a log says about why: the one line, and the lines that lead to it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from spacehand.errors import SpacehandError
from spacehand.hub._protocol import Hub
from spacehand.ids import RepoId

_LONGEST = 300  # characters of a cause; some tools print whole files in one line
_MOST_LINES = 15  # that are shown of a log
_NEAR = 60  # lines before the end; a traceback further up is not what ended the app
_TRACEBACK = "Traceback (most recent call last)"
_OWN_FRAME = re.compile(r'\s*File "(?!.*(?:/site-packages/|/lib/python3|<frozen))')
# What says nothing about why: the Hubs' own lines around a build and a start, headings, answered requests.
_FRAMING = re.compile(
    r"=====|\[spacehand\]|--> |DONE \d|CACHED$|error: No solution found when resolving"
    r"|ERROR: ResolutionImpossible: |.*\"[A-Z]+ \S+ HTTP/[\d.]+\" [123]\d\d\b"
)
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_UNPRINTABLE = re.compile(r"[^\S ]|[\x00-\x1f\x7f-\x9f]")

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


def last_words(lines: Iterable[str]) -> tuple[str, ...]:
    """
    Return the end of a log: the last traceback with the app's own line in it, or else the last lines.

    A log cannot be read any more once its version was rolled back.
    """
    plain = (_UNPRINTABLE.sub(" ", _COLOUR.sub("", line)).rstrip()[:_LONGEST] for line in lines)
    kept = [line for line in plain if line and not _FRAMING.match(line)][-_NEAR:]
    starts = [at for at, line in enumerate(kept) if line.startswith(_TRACEBACK)]
    if starts:
        kept = kept[starts[-1] + 1 :]
    shown = kept[-_MOST_LINES:]
    if starts and not any(_OWN_FRAME.match(line) for line in shown):
        own = [at for at, line in enumerate(kept) if _OWN_FRAME.match(line)]
        if own:  # and the line of source below it
            shown = [*kept[own[-1] : own[-1] + 2], "  …", *kept[3 - _MOST_LINES :]]
    return tuple(textwrap.dedent("\n".join(shown)).splitlines())


def read_log(hub: Hub, space: RepoId, kind: str) -> list[str]:
    """Return the lines of the Space's ``build`` or ``run`` log; none when there is no log."""
    try:
        return [line.text for line in hub.logs(space, kind)]
    except SpacehandError:
        return []  # the failure that is being explained matters more than this one
