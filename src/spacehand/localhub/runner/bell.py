"""Wakes everybody who waits for news."""

from __future__ import annotations

import asyncio
import threading


class Bell:
    """Rung from any thread; each listener waits in its own event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake all who wait now."""
        with self._lock:
            waiting, self._waiting = self._waiting, set()
        for future in waiting:
            # A loop that is closed has nobody left to wake.
            if not future.get_loop().is_closed():
                future.get_loop().call_soon_threadsafe(_wake, future)

    def listen(self) -> asyncio.Future[None]:
        """
        Return a future that is done at the next ring.

        Listen first and look second: what happens between the two is not missed.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.add(future)
        return future

    def forget(self, future: asyncio.Future[None]) -> None:
        """Stop waiting on *future*."""
        with self._lock:
            self._waiting.discard(future)
        future.cancel()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
