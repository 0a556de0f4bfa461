"""Server-sent events, as Hubs and apps send them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from spacehand.hub._protocol import LogLine


def events(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (name, data) of each event in *lines*; an event without a name is a ``message``."""
    name = "message"
    data: list[str] = []
    for line in lines:
        text = line.rstrip("\r\n")
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if not text:
            if data:
                yield name, "\n".join(data)
            name, data = "message", []
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
    if data:
        yield name, "\n".join(data)


def event_data(lines: Iterable[str]) -> Iterator[str]:
    """Yield the data of each event that has any; keep-alives have none."""
    return (data for _, data in events(lines) if data)


def log_line(data: str) -> LogLine | None:
    """Return the log line that an event's *data* holds, None when it holds none."""
    try:
        body = json.loads(data)
    except ValueError:
        return None
    if not isinstance(body, dict) or "data" not in body:
        return None
    return LogLine(str(body["data"]).rstrip("\r\n"), str(body.get("timestamp") or ""))


def replay_end(date: str | None) -> datetime | None:
    """Lines logged after the answer's own date are new ones, not replayed ones."""
    return parsedate_to_datetime(date) + timedelta(seconds=1) if date else None


def is_after(at: str, end: datetime) -> bool:
    """Whether the ISO 8601 time *at* is later than *end*; a time nobody can read is not."""
    try:
        return datetime.fromisoformat(at) > end
    except (ValueError, TypeError):
        return False
