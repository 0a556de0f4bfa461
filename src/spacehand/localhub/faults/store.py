"""
Which faults are switched on.

They live in memory alone: a Hub that is stopped or killed, and started again, is well.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from spacehand.localhub.errors import HubError
from spacehand.localhub.faults.kind import PAYMENT, TOO_MANY, UNAVAILABLE, FaultKind
from spacehand.localhub.runner.bell import Bell

_OWN_API = "/api/spacehand/"  # by which faults are switched off again


@dataclass
class Fault:
    """One fault that is on; it ends when it is removed, has acted *times*, or *until* is past."""

    kind: FaultKind
    space: str | None = None  # owner/name; None: every Space
    times: int | None = None  # None: any number
    until: float | None = None  # by the store's clock
    seconds: float | None = None
    id: str = ""
    acted: int = 0  # how often so far
    holding: int = 0  # builds or starts that it keeps waiting now

    def says(self) -> str:
        """Return what it does, in one sentence."""
        return self.kind.sentence.format(seconds=self.seconds or 0)

    @property
    def is_used_up(self) -> bool:
        """It will not act again."""
        return self.times is not None and self.acted >= self.times


@dataclass
class Faults:
    """Every fault that is on; callable from any thread, but for `hold`, which belongs to the event loop."""

    now: Callable[[], float] = time.monotonic
    _on: list[Fault] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _changed: Bell = field(default_factory=Bell)

    def add(self, fault: Fault) -> Fault:
        """Switch *fault* on, and return it with its id."""
        with self._lock:
            fault.id = str(next(self._numbers))
            if fault.seconds is None:
                fault.seconds = fault.kind.seconds
            self._on.append(fault)
        return fault

    def remove(self, identity: str) -> None:
        """
        Switch a fault off; what it keeps waiting goes on.

        Raises:
            HubError: 404, there is none with that id.
        """
        with self._lock:
            kept = [fault for fault in self._on if fault.id != identity]
            if len(kept) == len(self._on):
                raise HubError(404, f"No fault has the id `{identity}`")
            self._on = kept
        self._changed.ring()

    def clear(self) -> int:
        """Switch all off, and return how many there were."""
        with self._lock:
            count, self._on = len(self._on), []
        self._changed.ring()
        return count

    def on(self, space: str | None = None) -> Sequence[Fault]:
        """Return the faults that are on; with *space*, those that may meet it."""
        with self._lock:
            self._forget_ended()
            return [fault for fault in self._on if space is None or fault.space in (None, space)]

    def take(self, kind: FaultKind, space: str | None) -> Fault | None:
        """Return a fault of *kind* that meets *space*, and count that it acts; None where none does."""
        with self._lock:
            self._forget_ended()
            for fault in self._on:
                if fault.kind is kind and fault.space in (None, space) and not fault.is_used_up:
                    fault.acted += 1
                    return fault
        return None

    async def hold(self, kind: FaultKind, space: str) -> None:
        """Wait for as long as a fault of *kind* says: its seconds, or until it is switched off."""
        fault = self.take(kind, space)
        if fault is None:
            return
        fault.holding += 1
        ends = [end for end in (fault.until, self._after(fault.seconds)) if end is not None]
        try:
            while fault.id in {each.id for each in self.on()} and (left := _left(ends, self.now())) != 0:
                news = self._changed.listen()
                try:
                    await asyncio.wait((news,), timeout=left)
                finally:
                    self._changed.forget(news)
        finally:
            fault.holding -= 1

    def refusal(self, path: str) -> HubError | None:
        """Return what the API answers instead of its work to a request for *path*, if a fault says so."""
        if not path.startswith("/api/") or path.startswith(_OWN_API) or not self._on:
            return None
        space = _space_in(path)
        if self.take(FaultKind.UNAVAILABLE, space):
            return HubError(503, UNAVAILABLE)
        if (fault := self.take(FaultKind.RATE_LIMIT, space)) is not None:
            pause = round(fault.seconds or 0)
            headers = {
                "RateLimit": f'"api";r=0;t={pause}',
                "RateLimit-Policy": '"fixed window";"api";q=1000;w=300',
                "Retry-After": str(pause),
            }
            return HubError(429, TOO_MANY, headers=headers)
        return None

    def refuse_payment(self, space: str) -> None:
        """
        Let what *space* asks for pass, unless a fault wants it paid.

        Raises:
            HubError: 402.
        """
        if self.take(FaultKind.PAYMENT, space):
            raise HubError(402, PAYMENT)

    def _after(self, seconds: float | None) -> float | None:
        return None if seconds is None else self.now() + seconds

    def _forget_ended(self) -> None:
        now = self.now()
        self._on = [
            fault
            for fault in self._on
            if (fault.until is None or now < fault.until) and (fault.holding or not fault.is_used_up)
        ]


def _left(ends: Sequence[float], now: float) -> float | None:
    """Return the seconds until the first of *ends*, 0 when it is past, None when there is none."""
    return max(0.0, min(ends) - now) if ends else None


def _space_in(path: str) -> str | None:
    """Return the Space that the *path* of an API call names."""
    parts = path.split("/")
    return "/".join(parts[3:5]) if parts[2] == "spaces" and len(parts) > 4 else None
