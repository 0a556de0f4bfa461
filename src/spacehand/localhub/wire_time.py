"""Times as the official client reads them: ``2026-11-21T10:00:00.000Z``; ``+00:00`` would make it fail."""

from __future__ import annotations

import time
from datetime import UTC, datetime

# Apps and clients may give a file any time; what has no four digits for its year is told as the nearest.
_FIRST = datetime(1000, 1, 1, tzinfo=UTC).timestamp()
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


def now() -> str:
    """Return the present time."""
    return from_unix(time.time())


def from_unix(seconds: float) -> str:
    """Return *seconds* since 1970, cut to milliseconds; years are from 1000 to 9999."""
    moment = datetime.fromtimestamp(min(max(seconds, _FIRST), _LAST), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
