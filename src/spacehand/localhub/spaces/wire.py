"""A Space's settings as the official client reads them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from spacehand.localhub.runner.logs import LogEntry

# An event without data keeps proxies from closing a quiet stream; the client skips it.
KEEP_ALIVE = "data:\n\n"


def variables(rows: Iterable[sqlite3.Row]) -> dict[str, Any]:
    """Return the whole map: ``{KEY: {value, description?, updatedAt}}``."""
    return {row["key"]: {"value": row["value"], **_about(row)} for row in rows}


def secrets(rows: Iterable[sqlite3.Row]) -> dict[str, Any]:
    """Return the whole map without values: ``{KEY: {description?, updatedAt}}``."""
    return {row["key"]: _about(row) for row in rows}


def log_event(entry: LogEntry) -> str:
    """Return one line of a log as a server-sent event."""
    return event({"data": entry.data, "timestamp": entry.timestamp})


def event(payload: dict[str, Any]) -> str:
    """Return *payload* as a server-sent event."""
    return f"data: {json.dumps(payload)}\n\n"


def _about(row: sqlite3.Row) -> dict[str, Any]:
    described = {"description": row["description"]} if row["description"] is not None else {}
    return {**described, "updatedAt": row["updated"]}
