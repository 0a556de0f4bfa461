"""Brings up the apps of one Space, and keeps as many at its door as are wanted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from spacehand.localhub.runner.build.builder import BuildFailedError
from spacehand.localhub.runner.card import CannotBuildError
from spacehand.localhub.runner.life.health import UnhealthyAppError

if TYPE_CHECKING:
    from spacehand.localhub.runner.build.plan import BuildPlan
    from spacehand.localhub.runner.crew import Crew
    from spacehand.localhub.runner.life.duty import Duty
    from spacehand.localhub.runner.life.fleet import Fleet
    from spacehand.localhub.runner.life.replica import AppEndedError, Replica
    from spacehand.localhub.runner.logs import SpaceLog

_logger = logging.getLogger(__name__)
_FORGIVEN_SECONDS = 600.0  # after this long without a crash, earlier ones do not count
_MOST_DOUBLINGS = 5  # of the pause between attempts that all failed
_EXPECTED = (UnhealthyAppError, CannotBuildError, BuildFailedError)


class Muster:
    """
    Starts replicas, and others in place of those that end by themselves.

    It calls *changed* when others serve than before, and *ended* when one that served has ended. All belongs
    to the event loop.
    """

    def __init__(
        self,
        duty: Duty,
        crew: Crew,
        *,
        changed: Callable[[], None],
        ended: Callable[[Fleet, AppEndedError], None],
    ) -> None:
        self._duty = duty
        self._crew = crew
        self._changed = changed
        self._told_end = ended
        self._filling: asyncio.Task[None] | None = None
        self._pausing: asyncio.Task[None] | None = None  # the one of the former that waits to try again
        self._tasks: set[asyncio.Task[None]] = set()
        self._crashes: list[float] = []

    async def first(self, fleet: Fleet, log: SpaceLog) -> None:
        """
        Start the first app of *fleet*, with which *log* begins anew, and return once it is healthy.

        Raises:
            CannotBuildError: the settings contradict each other.
            UnhealthyAppError: it never will be.
        """
        assert fleet.made is not None  # noqa: S101 - who starts a version has built it
        build, built = fleet.made
        replica = await self._crew.launcher.start(self._duty.repo, build, built, log)
        try:
            await self._bring_up(fleet, replica, build)
        except UnhealthyAppError as error:
            log.write(f"[spacehand] {error.summary}")
            raise

    async def fill(self, fleet: Fleet, log: SpaceLog) -> bool:
        """Start what *fleet* lacks, all at once, and return whether all of it came up."""
        missing = self._wanted() - len(fleet.members)
        if fleet.is_static or missing <= 0:
            return True
        starts = [self._another(fleet, log) for _ in range(missing)]
        failures = [one for one in await asyncio.gather(*starts, return_exceptions=True) if one is not None]
        for failure in failures:
            if not isinstance(failure, _EXPECTED):
                _logger.error("A replica of %s could not be started", self._duty.repo.id, exc_info=failure)
            log.write(f"[spacehand] a replica did not come up: {_first_line(failure)}")
        return not failures

    def call(self, log: SpaceLog) -> None:
        """Begin to bring those who serve to the number that is wanted, unless that is under way."""
        if self._filling is self._pausing:  # what is wanted may be another thing by now
            self.dismiss()
        if self._filling is None or self._filling.done():
            self._filling = self._begin(self._complete(log))

    def watch(self, fleet: Fleet, replica: Replica) -> None:
        """Notice from now on when *replica* of *fleet* ends."""
        if replica.app is not None:
            self._begin(self._watch(fleet, replica))

    def crashed(self) -> int:
        """Count a crash, and return how many there were lately."""
        self._crashes = [*self._recent(), time.monotonic()]
        return len(self._crashes)

    def dismiss(self) -> None:
        """Start nobody any more."""
        if self._filling is not None:
            self._filling.cancel()
            self._filling = None

    async def close(self) -> None:
        """Return when nobody is started or watched any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _complete(self, log: SpaceLog) -> None:
        failures = 0
        while (fleet := self._duty.serving) is not None and not fleet.is_static:
            surplus = len(fleet.members) - self._wanted()
            if surplus > 0:
                self._duty.dismiss(surplus)
                self._changed()
            if surplus >= 0:
                return
            await self._pause(failures)
            if fleet is self._duty.serving:
                failures = 0 if await self.fill(fleet, log) else failures + 1

    async def _another(self, fleet: Fleet, log: SpaceLog) -> None:
        launcher, repo = self._crew.launcher, self._duty.repo
        build, built = fleet.made or await launcher.prepare(repo, fleet.sha, _silent, factory=False)
        fleet.made = (build, built)
        replica = await launcher.start_another(repo, build, built, log)
        await self._bring_up(fleet, replica, build)
        if fleet is self._duty.serving:
            self.watch(fleet, replica)
            self._changed()

    async def _bring_up(self, fleet: Fleet, replica: Replica, build: BuildPlan) -> None:
        try:
            self._duty.begin(replica)
            await replica.healthy(build.card.startup_seconds, build.card.base_path, self._crew.pace)
        except BaseException:
            self._duty.end(replica)
            raise
        self._duty.join(fleet, replica)

    async def _watch(self, fleet: Fleet, replica: Replica) -> None:
        ended = await replica.ended()
        if self._duty.lose(fleet, replica):
            self._told_end(fleet, ended)

    def _wanted(self) -> int:
        return self._crew.launcher.hub.spaces.public_settings(self._duty.repo).replicas

    def _recent(self) -> list[float]:
        since = time.monotonic() - _FORGIVEN_SECONDS
        return [at for at in self._crashes if at > since]

    async def _pause(self, failures: int) -> None:
        """Wait as after a crash; where nothing helps, each time longer."""
        trouble, pauses = max(len(self._recent()), failures), self._crew.pauses
        if not trouble or not pauses:
            return
        doublings = min(max(0, failures - len(pauses)), _MOST_DOUBLINGS)
        self._pausing = self._filling
        await self._crew.sleep(pauses[min(trouble, len(pauses)) - 1] * 2**doublings)
        self._pausing = None

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _silent(_text: str) -> None:
    return


def _first_line(failure: BaseException) -> str:
    if isinstance(failure, UnhealthyAppError):
        return failure.summary
    return str(getattr(failure, "message", failure)).partition("\n")[0]
