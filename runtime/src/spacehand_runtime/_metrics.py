"""What an app did since it started, in the shape of ``spacehand.metrics/1``."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = "spacehand.metrics/1"

_DAY = 86400.0  # seconds
_HIGH, _CRITICAL = 0.80, 0.95  # of the memory limit
_UNLIMITED = 1 << 60  # bytes; cgroup v1 writes "no limit" as a number near 2**63

_CGROUP_FILES = (
    ("memory.current", "memory.max"),  # version 2
    ("memory/memory.usage_in_bytes", "memory/memory.limit_in_bytes"),  # version 1
)


class Metrics:
    """
    Counts requests, sessions and feedback; all methods may be called from any thread.

    Memory stays bounded: the percentiles are those of the last *window* requests, and at most *window*
    open sessions are told apart.
    """

    def __init__(
        self,
        *,
        window: int = 1024,
        now: Callable[[], float] = time.monotonic,
        cgroup: Path = Path("/sys/fs/cgroup"),
        process: Path = Path("/proc/self/statm"),
    ) -> None:
        self._now = now
        self._started = now()
        self._cgroup = cgroup
        self._process = process
        self._window = window
        self._lock = threading.Lock()
        self._count = self._errors = self._running = 0
        self._durations: deque[float] = deque(maxlen=window)
        self._open: OrderedDict[str, float] = OrderedDict()  # session -> when it began
        self._begun: deque[float] = deque(maxlen=100_000)  # when sessions began, within the last day
        self._closed, self._closed_seconds = 0, 0.0
        self._feedback = {"up": 0, "down": 0}

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count and time what happens inside; an exception counts as an error, and goes on."""
        with self._lock:
            self._running += 1
        began, failed = self._now(), True
        try:
            yield
            failed = False
        finally:
            with self._lock:
                self._running -= 1
                self._count += 1
                self._errors += failed
                self._durations.append(self._now() - began)

    def session_began(self, session: str) -> None:
        """Count a visitor's *session* from now on."""
        with self._lock:
            now = self._now()
            self._open.setdefault(session, now)
            self._begun.append(now)
            if len(self._open) > self._window:
                self._open.popitem(last=False)

    def session_ended(self, session: str) -> None:
        """End *session*; one that never began is ignored."""
        with self._lock:
            began = self._open.pop(session, None)
            if began is not None:
                self._closed += 1
                self._closed_seconds += self._now() - began

    def feedback(self, *, good: bool) -> None:
        """Count one thumb, up or down."""
        with self._lock:
            self._feedback["up" if good else "down"] += 1

    def snapshot(self) -> dict[str, Any]:
        """Return everything as it is now; what this runtime does not do (yet) is zero."""
        with self._lock:
            now = self._now()
            while self._begun and self._begun[0] < now - _DAY:
                self._begun.popleft()
            durations = sorted(self._durations)
            return {
                "schema": SCHEMA,
                "uptime_s": round(now - self._started, 3),
                "cache": {"hits": 0, "misses": 0, "hit_rate": 0.0, "items": 0, "bytes": 0, "evictions": 0},
                "memory": self._memory(),
                "queue": {"pending": 0, "running": self._running, "failed": 0},
                "requests": {
                    "count": self._count,
                    "errors": self._errors,
                    "p50_s": _percentile(durations, 0.50),
                    "p95_s": _percentile(durations, 0.95),
                },
                "sessions": {
                    "active": len(self._open),
                    "today": len(self._begun),
                    "mean_s": round(self._closed_seconds / self._closed, 3) if self._closed else 0.0,
                },
                "feedback": dict(self._feedback),
            }

    def to_json(self) -> str:
        """Return :meth:`snapshot` as JSON text, ready to be served."""
        return json.dumps(self.snapshot())

    def _memory(self) -> dict[str, Any]:
        used, limit = self._of_container() or (self._of_process(), None)
        share = used / limit if limit and used is not None else None
        if share is None:
            state = "unknown"
        else:
            state = "critical" if share >= _CRITICAL else "high" if share >= _HIGH else "ok"
        return {"used": used, "limit": limit, "state": state}

    def _of_container(self) -> tuple[int, int] | None:
        for used_file, limit_file in _CGROUP_FILES:
            try:
                used = int((self._cgroup / used_file).read_text())
                limit = int((self._cgroup / limit_file).read_text())
            except (OSError, ValueError):  # not mounted here, or the limit is "max"
                continue
            if limit < _UNLIMITED:
                return used, limit
        return None

    def _of_process(self) -> int | None:
        try:
            resident = int(self._process.read_text().split()[1])
        except (OSError, ValueError, IndexError):  # no Linux
            return None
        return resident * _page_size()


def _page_size() -> int:
    import resource  # absent on Windows, where /proc is absent too

    return resource.getpagesize()


def _percentile(ordered: list[float], share: float) -> float | None:
    """Return the value that *share* of *ordered* do not exceed (nearest rank)."""
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 6)
