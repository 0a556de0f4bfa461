"""Puts apps to sleep that nobody asks anything, in two steps: without processor time, then without memory."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from spacehand.localhub.spaces.store import gc_timeout
from spacehand.stage import Stage

if TYPE_CHECKING:
    from spacehand.localhub.hub import LocalHub
    from spacehand.localhub.runner.life.reconciler import Reconciler

_logger = logging.getLogger(__name__)


def _free_share() -> float:
    memory = psutil.virtual_memory()
    return float(memory.available / memory.total)


@dataclass(frozen=True, slots=True)
class Rest:
    """When sleep deepens; tests pass shorter times."""

    between_looks: float = 15.0  # seconds
    until_deep: float = 3600.0  # seconds that a frozen app keeps its memory
    spare: float = 0.1  # share of the machine's memory; with less, the frozen apps give up theirs
    free_share: Callable[[], float] = _free_share
    now: Callable[[], float] = time.time


class Bedtime:
    """Looks after the sleep of all Spaces of one Hub."""

    def __init__(self, hub: LocalHub, spaces: Callable[[], Iterable[Reconciler]], rest: Rest) -> None:
        self._hub = hub
        self._spaces = spaces
        self._rest = rest
        self._dozing: dict[str, float] = {}  # since when, by the repository's uid

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(self._rest.between_looks)
            await self.look()

    async def look(self) -> None:
        """
        Freeze who was idle for its sleep time; end who was frozen for long, or is when memory is short.

        Where that fails, it is tried at the next look; others sleep meanwhile.
        """
        for space in list(self._spaces()):
            if self._is_idle(space):
                await _try(space, space.sleep())
        dozing = {space.repo.uid: space for space in self._spaces() if space.is_dozing}
        now = self._rest.now()
        self._dozing = {uid: self._dozing.get(uid, now) for uid in dozing}
        for uid, since in sorted(self._dozing.items(), key=lambda one: one[1]):
            short = await asyncio.to_thread(self._rest.free_share) < self._rest.spare
            if short or now - since >= self._rest.until_deep:
                await _try(dozing[uid], dozing[uid].deepen())

    def _is_idle(self, space: Reconciler) -> bool:
        started = space.started
        if space.state.stage is not Stage.RUNNING or not started or space.state.sdk == "static":
            return False
        limit = gc_timeout(self._hub.spaces.public_settings(space.repo))
        asked = max(self._hub.gateway.last_request(space.repo) or 0.0, started)
        return limit is not None and limit >= 0 and self._rest.now() - asked > limit


async def _try(space: Reconciler, work: Awaitable[None]) -> None:
    try:
        await work
    except Exception:  # a docker daemon that is away, say
        _logger.exception("%s could not be put to sleep", space.repo.id)
