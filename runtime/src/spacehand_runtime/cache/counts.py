"""What the cache counts."""

from __future__ import annotations

import threading
from typing import Any

_NAMES = ("hits", "misses", "shared_waits", "stale_hits", "refreshes", "refresh_failures", "expired")


class Counts:
    """Counts by name since the start; all methods may be called from any thread."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(_NAMES, 0)
        self._lock = threading.Lock()

    def add(self, *names: str) -> None:
        """Count one of each of *names*, all at the same moment."""
        with self._lock:
            for name in names:
                self._counts[name] += 1

    def forget(self) -> None:
        """Begin with a lock of our own, in a forked child."""
        self._lock = threading.Lock()

    def with_hit_rate(self, more_hits: int) -> dict[str, Any]:
        """Return the counts, *more_hits* included, and the share of hits, from 0 to 1."""
        with self._lock:
            counts: dict[str, Any] = dict(self._counts)
        counts["hits"] += more_hits
        asked = counts["hits"] + counts["misses"]
        return counts | {"hit_rate": counts["hits"] / asked if asked else 0.0}
