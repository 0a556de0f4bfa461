"""The memory of a small server, watched: first the caches give way, then work waits, then it is refused."""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from spacehand_runtime.container import Bound, Container
from spacehand_runtime.errors import OverloadedError

Probe = Callable[[], Sequence[Bound]]
Shed = Callable[[int], object]

_RETURN = 0.05  # of the limit: so far must use fall below a threshold before its state ends


class MemoryState(str, enum.Enum):
    """How short of memory the server is."""

    OK = "ok"
    SHED = "shed"
    QUEUE_ONLY = "queue_only"
    REFUSE = "refuse"

    @property
    def admits_work(self) -> bool:
        """Work may be done in the server's own process."""
        return self in (MemoryState.OK, MemoryState.SHED)

    @property
    def admits_jobs(self) -> bool:
        """Work may be given to a queue."""
        return self is not MemoryState.REFUSE


_ORDER = list(MemoryState)


class MemoryGuard:
    """
    Knows how much of its memory this container uses, without the page cache, and what still may be begun.

    From *shed_at* of the limit on, each of *shed* is called with the bytes that should be freed (a cache's
    ``shed``, say); from *queue_at* on, work is for a queue only, one job at a time; from *refuse_at* on,
    nothing new is begun. A state ends when use is a little below where it began, so that it does not flicker.
    *fresh*: for how many seconds what was measured is good.
    """

    def __init__(
        self,
        shed: Iterable[Shed] = (),
        *,
        thresholds: tuple[float, float, float] = (0.70, 0.80, 0.90),
        fresh: float = 0.25,
        probe: Probe | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 < thresholds[0] < thresholds[1] < thresholds[2] <= 1:
            msg = f"The thresholds of memory must rise between 0 and 1, got {thresholds}"
            raise ValueError(msg)
        self._shed = list(shed)
        self._thresholds = thresholds
        self._fresh = fresh
        self._probe = probe or Container().bounds
        self._now = now
        self._lock = threading.Lock()
        self._state = MemoryState.OK
        self._bounds: list[Bound] = []
        self._looked = -float("inf")
        self._stop = threading.Event()

    def on_shed(self, free: Shed) -> None:
        """Call *free* with the bytes that should be freed, each time that memory is found to be short."""
        self._shed.append(free)

    @property
    def state(self) -> MemoryState:
        """How short of memory the server is now; caches are asked to give way on the occasion."""
        with self._lock:
            if self._now() - self._looked < self._fresh:
                return self._state
            self._look()
            state, excess = self._state, self._excess()
        if excess:
            for free in self._shed:
                free(excess)
        return state

    def admit(self) -> None:
        """
        Return if work may be begun in this process now.

        Raises:
            OverloadedError: it may not; the message is for the user who asked for it.
        """
        if not self.state.admits_work:
            raise OverloadedError(self.message(), hint="Try again in a minute")

    def admit_job(self) -> None:
        """Do as :meth:`admit` does, for work that is given to a queue."""
        if not self.state.admits_jobs:
            raise OverloadedError(self.message(), hint="Try again in a minute")

    def message(self) -> str:
        """Return in words how things stand."""
        worst = self._worst()
        if worst is None:
            return "How much memory this server uses is not known"
        share = f"{worst.used / 1e9:.1f} of {worst.limit / 1e9:.1f} GB"
        if self._state is MemoryState.OK:
            return f"This server uses {share} of memory"
        return f"This server is short of memory ({share} in use)"

    def status(self) -> dict[str, Any]:
        """Return ``used`` and ``limit`` in bytes, the limit's ``source``, ``share`` (0 to 1), ``state``."""
        state = self.state
        with self._lock:
            worst = self._worst()
            smallest = self._bounds[0].limit if self._bounds else None
        if worst is None:
            return {"used": None, "limit": None, "source": None, "share": None, "state": "unknown"}
        return {
            "used": worst.used,
            "limit": worst.limit,
            "smallest_limit": smallest,
            "source": worst.name,
            "share": round(worst.share, 4),
            "state": state.value,
            "message": self.message(),
        }

    def watch(self, every: float = 1.0) -> None:
        """Look every so many seconds in the background, until :meth:`close`."""
        self._stop.clear()

        def look() -> None:
            while not self._stop.wait(every):
                _ = self.state

        threading.Thread(target=look, name="spacehand-memory", daemon=True).start()

    def close(self) -> None:
        """End the looking in the background."""
        self._stop.set()

    def _look(self) -> None:
        self._bounds = sorted(self._probe(), key=lambda bound: bound.limit)
        self._looked = self._now()
        worst = self._worst()
        share = worst.share if worst else 0.0
        reached = sum(share >= threshold for threshold in self._thresholds)
        while reached < _ORDER.index(self._state) and share >= self._thresholds[reached] - _RETURN:
            reached += 1
        self._state = _ORDER[reached]

    def _worst(self) -> Bound | None:
        """Return the limit that is nearest: an outer group with a higher limit may be fuller than ours."""
        return max(self._bounds, key=lambda bound: bound.share, default=None)

    def _excess(self) -> int:
        """Return how many bytes too many are in use to be well again."""
        worst = self._worst()
        if worst is None or self._state is MemoryState.OK:
            return 0
        return max(0, worst.used - round(worst.limit * (self._thresholds[0] - _RETURN)))
