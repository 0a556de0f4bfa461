"""Try again what time can cure: bounded, with growing pauses and some chance in them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class CurableError(Exception):
    """
    A failure that may be gone at the next try; *after* is the pause the Hub asked for, in seconds.

    It never leaves :func:`retried`: when patience ends, *final* is raised instead.
    """

    def __init__(self, final: Exception, *, after: float | None = None) -> None:
        super().__init__(str(final))
        self.final = final
        self.after = after


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to try, and how long to pause: *first* seconds, then twice as long each time."""

    tries: int = 5
    first: float = 0.5
    longest: float = 8.0
    longest_asked: float = 60.0  # a pause the Hub asks for; a longer one is told to the person instead

    def pause(self, attempt: int, chance: float) -> float:
        """Return the pause after *attempt* (from 1); *chance* in 0–1 spreads callers that failed together."""
        return min(self.longest, self.first * 2.0 ** (attempt - 1)) * (0.5 + chance / 2)


DEFAULT = Patience()


def retried(
    call: Callable[[], T],
    *,
    patience: Patience = DEFAULT,
    sleep: Callable[[float], None] = time.sleep,
    chance: Callable[[], float] = random.random,
) -> T:
    """
    Return what *call* returns, calling it again while it raises CurableError.

    Raises:
        Exception: the *final* of the last CurableError, or whatever else *call* raised.
    """
    for attempt in range(1, patience.tries + 1):
        try:
            return call()
        except CurableError as error:
            too_long = error.after is not None and error.after > patience.longest_asked
            if attempt == patience.tries or too_long:
                raise error.final from error.__cause__
            sleep(error.after if error.after is not None else patience.pause(attempt, chance()))
    raise AssertionError("unreachable: the last try returns or raises")
