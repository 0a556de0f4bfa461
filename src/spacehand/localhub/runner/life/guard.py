"""Watches what one app takes of this machine, and ends it when that is more than its hardware has."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacehand.localhub.runner.engines._protocol import App, RunSpec

_LOOK_SECONDS = 1.0  # how often memory is looked at
_CLOSE_LOOK_SECONDS = 0.1  # when half of the limit is used
_BETWEEN_DISK_LOOKS = 10.0  # seconds; large folders get more
_DISK_SHARE = 20  # looking at the disk takes at most one part in so many of the time
_UNITS = (("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10))


@dataclass
class Guard:
    """Looks after one app from `run` on; *verdict* is why it was ended, in the Hub's words."""

    app: App
    spec: RunSpec
    between_disk_looks: float = _BETWEEN_DISK_LOOKS
    verdict: str = ""
    is_resting: bool = False  # who is frozen takes no more

    async def run(self) -> None:
        """Watch until the app is ended, or for ever."""
        watches = [asyncio.create_task(self._memory()), asyncio.create_task(self._disk())]
        try:
            _, left = await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
            for watch in set(watches) - left:
                watch.result()  # a fault of ours is not to be mistaken for a verdict
        finally:
            for watch in watches:
                watch.cancel()

    def reason(self) -> str:
        """Return why the app, which has ended, was ended for what it took; empty when it was not."""
        if not self.verdict and self.app.was_out_of_memory:
            return out_of_memory(self.spec.memory_bytes)
        return self.verdict

    async def _memory(self) -> None:
        limit = self.spec.memory_bytes
        while True:
            used = 0 if self.is_resting else await asyncio.to_thread(self.app.memory, limit)
            # The kernel ends the largest process alone; what is left of the app has no use.
            if used > limit or self.app.was_out_of_memory:
                await self._end(out_of_memory(limit))
                return
            await asyncio.sleep(_CLOSE_LOOK_SECONDS if used > limit / 2 else _LOOK_SECONDS)

    async def _disk(self) -> None:
        limit = self.spec.disk_bytes
        brought = await asyncio.to_thread(self.app.disk)  # what it came with is not of its making
        while True:
            began = time.monotonic()
            grown = 0 if self.is_resting else await asyncio.to_thread(self.app.disk) - brought
            if grown > limit:
                await self._end(f"Workload evicted, storage limit exceeded ({amount(limit)})")
                return
            took = time.monotonic() - began
            await asyncio.sleep(max(self.between_disk_looks, took * _DISK_SHARE))

    async def _end(self, verdict: str) -> None:
        self.verdict = verdict
        await asyncio.to_thread(self.app.kill)


def out_of_memory(limit: int) -> str:
    """Return what the Hub says of an app that took more than *limit* bytes of memory."""
    return f"Memory limit exceeded ({amount(limit)}i)"


def amount(count: int) -> str:
    """Return *count* bytes as the Hub writes them, ``16G``: in the largest unit that leaves no rest."""
    for unit, size in _UNITS:
        if count and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)
