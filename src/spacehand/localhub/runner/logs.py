"""A Space's build and run logs: append-only files that outlive the Hub, replayed to everyone who asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line as the Hub's log stream sends it; *timestamp* is ``YYYY-MM-DDTHH:MM:SS.mmmZ``."""

    data: str  # ends with a newline
    timestamp: str
