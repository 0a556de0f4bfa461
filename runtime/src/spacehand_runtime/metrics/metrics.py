"""What an app did since it started, in the shape of ``spacehand.metrics/1``."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from spacehand_runtime.metrics.instruments import SECONDS, Counter, Histogram, Instrument
from spacehand_runtime.metrics.sessions import Sessions

SCHEMA = "spacehand.metrics/1"

_CACHE = ("hits", "misses", "items", "bytes", "evictions")
_I = TypeVar("_I", bound=Instrument)


class WatchedCache(Protocol):
    """What is asked of a cache."""

    def get_stats(self) -> dict[str, Any]: ...


class Watched(Protocol):
    """What is asked of a queue, and of a memory guard."""

    def status(self) -> Any: ...


@dataclass
class Observation:
    """One request under way: say here what its exception would not tell."""

    failed: bool = False
    counted: bool = True


class Metrics:
    """
    Counts requests, sessions and feedback; all methods may be called from any thread.

    Memory stays bounded: the percentiles are those of the last *window* requests, and at most *window*
    open sessions are told apart. Without a guard to :meth:`watch`, memory is told by one of its own.
    """

    def __init__(
        self,
        *,
        window: int = 1024,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._started = now()
        self._lock = threading.Lock()
        self._count = self._errors = self._running = 0
        self._durations: deque[float] = deque(maxlen=window)
        self._sessions = Sessions(window)
        self._feedback = {"up": 0, "down": 0}
        self._cache: WatchedCache | None = None
        self._queue: Watched | None = None
        self._guard: Watched | None = None
        self._instruments: dict[str, Instrument] = {}
        self._seconds = self.histogram("spacehand_request_seconds", "Seconds that requests took.")

    def watch(
        self,
        *,
        cache: WatchedCache | None = None,
        queue: Watched | None = None,
        guard: Watched | None = None,
    ) -> Metrics:
        """Tell of this *cache*, *queue* and *guard* too, from now on; return itself."""
        self._cache, self._queue = cache or self._cache, queue or self._queue
        self._guard = guard or self._guard
        return self

    def counter(self, name: str, about: str, labels: Sequence[str] = ()) -> Counter:
        """Return the app's own counter called *name*, made at the first call."""
        return self._instrument(Counter(name, about, labels))

    def histogram(
        self, name: str, about: str, labels: Sequence[str] = (), *, bounds: Sequence[float] = SECONDS
    ) -> Histogram:
        """Return the app's own histogram called *name*; *bounds* are the upper ends of its buckets."""
        return self._instrument(Histogram(name, about, labels, bounds=bounds))

    @contextmanager
    def request(self) -> Iterator[Observation]:
        """
        Count and time what happens inside; an exception counts as an error, and goes on.

        A cancellation counts as no error: the visitor left.
        """
        observation = Observation()
        with self._lock:
            self._running += 1
        began = self._now()
        try:
            yield observation
        except Exception:
            observation.failed = True
            raise
        finally:
            seconds = self._now() - began
            with self._lock:
                self._running -= 1
                if observation.counted:
                    self._count += 1
                    self._errors += observation.failed
                    self._durations.append(seconds)
            if observation.counted:
                self._seconds.observe(seconds)

    def session_began(self, session: str, user: str | None = None) -> None:
        """Count a *session* from now on; *user*: what tells people apart, kept as a hash for a day."""
        with self._lock:
            self._sessions.began(session, user, self._now())

    def session_ended(self, session: str) -> None:
        """End *session*; one that never began is ignored."""
        with self._lock:
            self._sessions.ended(session, self._now())

    def feedback(self, *, good: bool) -> None:
        """Count one thumb, up or down."""
        with self._lock:
            self._feedback["up" if good else "down"] += 1

    def snapshot(self) -> dict[str, Any]:
        """Return everything as it is now; what is not watched is zero."""
        with self._lock:
            now = self._now()
            durations = sorted(self._durations)
            requests = {
                "count": self._count,
                "errors": self._errors,
                "error_rate": self._errors / self._count if self._count else 0.0,
                "p50_s": _percentile(durations, 0.50),
                "p95_s": _percentile(durations, 0.95),
            }
            sessions, feedback, running = self._sessions.snapshot(now), dict(self._feedback), self._running
            instruments = list(self._instruments.values())
        # Outside the lock: what is watched has locks of its own.
        return {
            "schema": SCHEMA,
            "uptime_s": round(now - self._started, 3),
            "cache": self._of_cache(),
            "memory": self._of_memory(),
            "queue": self._of_queue(running),
            "requests": requests,
            "sessions": sessions,
            "feedback": feedback,
            "instruments": {
                one.name: {"kind": one.kind, "about": one.about, "series": one.series()}
                for one in instruments
            },
        }

    def to_json(self) -> str:
        """Return :meth:`snapshot` as JSON text, ready to be served."""
        return json.dumps(self.snapshot())

    def _instrument(self, new: _I) -> _I:
        with self._lock:
            there = self._instruments.setdefault(new.name, new)
        if type(there) is not type(new) or there.labels != new.labels:
            msg = f"`{new.name}` is a {there.kind} with the labels {list(there.labels)} already"
            raise ValueError(msg)
        return there

    def _of_cache(self) -> dict[str, Any]:
        stats = self._cache.get_stats() if self._cache else {}
        return {name: stats.get(name, 0) for name in _CACHE} | {"hit_rate": stats.get("hit_rate", 0.0)}

    def _of_queue(self, running: int) -> dict[str, Any]:
        status = self._queue.status() if self._queue else {"running": running}
        return {name: status.get(name, 0) for name in ("pending", "running", "failed")}

    def _of_memory(self) -> dict[str, Any]:
        if self._guard is None:
            from spacehand_runtime.memory_guard import MemoryGuard  # not for those who never look

            self._guard = MemoryGuard()
        status = self._guard.status()
        return {name: status.get(name) for name in ("used", "limit", "state")}


def _percentile(ordered: list[float], share: float) -> float | None:
    """Return the value that *share* of *ordered* do not exceed (nearest rank)."""
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 6)
