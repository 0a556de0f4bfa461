"""Tokens that were given on a command line: taken off it, so that they are not in the list of processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

_CARRIER = "SPACEHAND_SCRIPT_{}"  # carries a value from the process that was started to the one it becomes


def take(*flags: str) -> dict[str, str]:
    """
    Return the value of each of *flags* that was given, by flag; no process list shows it from then on.

    The script starts itself anew without them, the values in its environment, which it forgets at once.
    """
    taken = {flag: value for flag in flags if (value := os.environ.pop(_carrier(flag), None)) is not None}
    words, found = _without(sys.orig_argv[1:], flags)
    if found:
        _start_anew(words, found)
    return taken


def _start_anew(words: Sequence[str], found: Mapping[str, str]) -> NoReturn:
    for flag in found:
        sys.stderr.write(
            f"warning: `{flag}` on a command line was visible to everybody on this machine; "
            "set HF_TOKEN, or sign in with `hf auth login`\n"
        )
    sys.stderr.flush()
    environment = os.environ | {_carrier(flag): value for flag, value in found.items()}
    os.execve(sys.executable, [sys.executable, *words], environment)  # noqa: S606  this very script


def _carrier(flag: str) -> str:
    return _CARRIER.format(flag.strip("-").replace("-", "_").upper())


def _without(words: Sequence[str], flags: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return *words* without *flags* and their values, and those values."""
    kept: list[str] = []
    found: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if flag not in flags:
            kept.append(word)
        elif equals or (following := next(rest, None)) is not None:
            found[flag] = value if equals else following
        else:
            kept.append(word)  # its value is missing: the script's own parser says so
    return kept, found
