"""Who answers for one Space: the app that serves, the one that sleeps, and those on their way out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacehand.localhub.repos.store import Repo
    from spacehand.localhub.runner.crew import Crew
    from spacehand.localhub.runner.life.replica import Replica


class Duty:
    """The replicas of one Space; all belongs to the event loop."""

    def __init__(self, repo: Repo, crew: Crew) -> None:
        self.repo = repo
        self.serving: Replica | None = None
        self.dozing: Replica | None = None  # frozen: it has its memory and no processor time
        self._crew = crew
        self._gateway = crew.launcher.hub.gateway
        self._nap = asyncio.Lock()  # one falls asleep or wakes at a time
        self._retiring: set[asyncio.Task[None]] = set()  # may be cancelled at any time
        self._ending: set[asyncio.Task[None]] = set()  # never cancelled

    def begin(self, replica: Replica) -> None:
        """Remember a replica that was started, so that it is found if this Hub dies."""
        if replica.spec is not None and replica.spec.venv is not None and self._crew.layers is not None:
            self._crew.layers.hold(replica.spec.venv)
        if replica.app is not None:
            self._crew.states.started(self.repo.uid, replica.token, replica.record())

    def take_over(self, replica: Replica) -> None:
        """Let *replica* serve from now on; the one before ends when its last request has."""
        before, self.serving = self.serving, replica
        self._gateway.serve(self.repo, replica.address, headers=replica.headers)
        if before is not None:
            task = asyncio.create_task(self._retire(before))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    def withdraw(self) -> Replica | None:
        """Let nobody serve, and return who did."""
        replica, self.serving = self.serving, None
        if replica is not None:
            self._gateway.withdraw(self.repo)
        return replica

    async def doze(self) -> None:
        """Freeze the app that serves."""
        replica = self.withdraw()
        if replica is not None:
            self.dozing = replica
            async with self._nap:
                if self.dozing is replica:  # nobody has asked for it already
                    await replica.freeze()

    async def take_in(self, replica: Replica) -> None:
        """Let *replica* sleep here: an earlier Hub froze it, or was just about to."""
        self.dozing = replica
        await replica.freeze()

    async def rouse(self) -> Replica | None:
        """Let the frozen app serve again and return it, None where there is none."""
        async with self._nap:
            replica, self.dozing = self.dozing, None
            if replica is not None:
                await replica.thaw()
                self.take_over(replica)
        return replica

    async def deepen(self) -> None:
        """End the frozen app, for its memory."""
        async with self._nap:
            replica, self.dozing = self.dozing, None
        if replica is not None:
            await asyncio.shield(self.end(replica))

    async def stand_down(self) -> None:
        """End the app, whether it serves or sleeps."""
        replica = self.withdraw()
        if replica is not None:
            await asyncio.shield(self.end(replica))
        await self.deepen()

    def end(self, replica: Replica) -> asyncio.Task[None]:
        """Begin to stop *replica*; `finish` waits until that is done."""
        task = asyncio.create_task(self._stop(replica))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    async def finish(self) -> None:
        """Return when nothing is on its way out any more."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _retire(self, replica: Replica) -> None:
        try:
            await self._gateway.drained(replica.address, within=self._crew.drain_seconds)
        finally:
            self.end(replica)

    async def _stop(self, replica: Replica) -> None:
        await replica.stop()
        if replica.app is not None:
            self._crew.states.ended(replica.token)
        if replica.spec is not None and replica.spec.venv is not None and self._crew.layers is not None:
            self._crew.layers.release(replica.spec.venv)
