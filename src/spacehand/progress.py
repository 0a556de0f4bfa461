"""What long work says while it goes on; the command line and the console decide how to show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """
    One thing worth telling: *phase* is a stable word (``card``, ``upload``, ``build``, ``start``, ``probe``),
    *message* a sentence for people; *done* of *total* count in *unit* where that makes sense.
    """

    phase: str
    message: str
    done: int | None = None
    total: int | None = None
    unit: str = ""


Report = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """Say nothing; the default of functions that report."""
