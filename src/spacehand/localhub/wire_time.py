"""Times as the official client reads them: ``2026-11-21T10:00:00.000Z``; ``+00:00`` would make it fail."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> str:
    """Return the present time."""
    return from_unix(time.time())


def from_unix(seconds: float) -> str:
    """Return *seconds* since 1970, cut to milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
