"""How far a job is, told from inside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

_EVERY = 0.05  # seconds; what a loop reports more often is not sent

_send: Callable[[float, str], None] | None = None
_sent = 0.0


class Progress(NamedTuple):
    """How far a job is, from 0.0 to 1.0, and what it is doing."""

    fraction: float
    text: str


def report_progress(fraction: float, text: str = "") -> None:
    """
    Tell those who wait for this job how far it is: *fraction* from 0.0 to 1.0, and a *text* for people.

    Outside a job nothing happens, so that a function may be called as well as submitted.
    """
    global _sent
    if _send is None:
        return
    fraction = min(1.0, max(0.0, float(fraction)))
    if time.monotonic() - _sent >= _EVERY or fraction >= 1.0:
        _send(fraction, text)
        _sent = time.monotonic()


def inside_job() -> bool:
    """Whether this process runs a job right now."""
    return _send is not None


def attach(send: Callable[[float, str], None] | None) -> None:
    """Let :func:`report_progress` of this process call *send*; None ends it."""
    global _send, _sent
    _send, _sent = send, 0.0
