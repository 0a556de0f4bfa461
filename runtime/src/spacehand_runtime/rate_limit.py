"""A token bucket for each client: short bursts pass, a steady stream is held to the rate."""

from __future__ import annotations

import math
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from spacehand_runtime.errors import RateLimitedError

_UNITS = {"s": 1.0, "sec": 1.0, "second": 1.0, "m": 60.0, "min": 60.0, "minute": 60.0}
_UNITS |= {"h": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0}
_RATE = re.compile(r"\s*(\d+)\s*(?:/|per)\s*([a-z]+)\s*\Z", re.IGNORECASE)


class RateLimit:
    """
    Lets each client do *amount* things in any *seconds*, all at once if it likes, and no more than that.

    At most *clients* are remembered; the one that was silent longest is forgotten first, and by then its
    bucket has most likely filled up again. All methods may be called from any thread.
    """

    def __init__(
        self,
        amount: int,
        seconds: float,
        *,
        clients: int = 10_000,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if amount < 1 or seconds <= 0 or clients < 1:
            msg = f"A rate limit needs positive numbers, got {amount} in {seconds} s for {clients} clients"
            raise ValueError(msg)
        self.amount = amount
        self.seconds = seconds
        self._clients = clients
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client -> tokens, when
        self._lock = threading.Lock()
        self._allowed = self._refused = 0

    @classmethod
    def parse(cls, text: str, *, now: Callable[[], float] = time.monotonic) -> RateLimit | None:
        """
        Return the limit *text* means: ``20/min``, ``100 per hour``; None for ``off``, ``0`` or nothing.

        Raises:
            ValueError: it means none.
        """
        if text.strip().lower() in ("", "0", "off", "none"):
            return None
        found = _RATE.match(text)
        unit = found and _UNITS.get(found[2].lower(), _UNITS.get(found[2].lower().rstrip("s")))
        if not found or not unit:
            msg = f"`{text}` is no rate: write it as `20/min`, `100/hour` or `off`"
            raise ValueError(msg)
        return cls(int(found[1]), unit, now=now)

    def take(self, client: str) -> float:
        """Return 0.0 and count one use by *client*, or the seconds until the next use is allowed."""
        with self._lock:
            now = self._now()
            tokens, since = self._buckets.pop(client, (float(self.amount), now))
            rate = self.amount / self.seconds
            tokens = min(float(self.amount), tokens + (now - since) * rate)
            # The tolerance: whoever waited exactly as long as told must not be refused again.
            allowed = tokens >= 1 - 1e-9
            self._buckets[client] = (tokens - 1 if allowed else tokens, now)
            if len(self._buckets) > self._clients:
                self._buckets.popitem(last=False)
            self._allowed += allowed
            self._refused += not allowed
            return 0.0 if allowed else (1 - tokens) / rate

    def admit(self, client: str) -> None:
        """
        Count one use by *client*, and return if it is allowed.

        Raises:
            RateLimitedError: it is not; the message is for the user.
        """
        if seconds := self.take(client):
            msg = f"At most {self} are possible"
            raise RateLimitedError(msg, seconds=seconds, hint=f"Try again in {math.ceil(seconds)} s")

    def status(self) -> dict[str, Any]:
        """Return how many uses were ``allowed`` and ``refused``, and the ``refused_rate``, from 0 to 1."""
        with self._lock:
            asked = self._allowed + self._refused
            rate = self._refused / asked if asked else 0.0
            return {"allowed": self._allowed, "refused": self._refused, "refused_rate": rate}

    @property
    def remembered(self) -> int:
        """How many clients are remembered now."""
        return len(self._buckets)

    def __str__(self) -> str:
        """Return the limit in words: ``20 in 60 s``."""
        return f"{self.amount} in {self.seconds:g} s"
