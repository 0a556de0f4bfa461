"""Who answers for one Space: the apps that serve, those that sleep, and those on their way out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from spacehand.localhub.runner.life.fleet import Fleet

if TYPE_CHECKING:
    from spacehand.localhub.repos.store import Repo
    from spacehand.localhub.runner.crew import Crew
    from spacehand.localhub.runner.life.replica import Replica


class Duty:
    """The replicas of one Space; all belongs to the event loop."""

    def __init__(self, repo: Repo, crew: Crew) -> None:
        self.repo = repo
        self.serving: Fleet | None = None
        self.dozing: Fleet | None = None  # frozen: they have their memory and no processor time
        self._crew = crew
        self._hub = crew.launcher.hub
        self._nap = asyncio.Lock()  # one falls asleep or wakes at a time
        self._retiring: set[asyncio.Task[None]] = set()  # may be cancelled at any time
        self._ending: set[asyncio.Task[None]] = set()  # never cancelled

    def begin(self, replica: Replica) -> None:
        """Remember a replica that was started, so that it is found if this Hub dies."""
        if replica.spec is not None and replica.spec.venv is not None and self._crew.layers is not None:
            self._crew.layers.hold(replica.spec.venv)
        if replica.app is not None:
            self._crew.states.started(self.repo.uid, replica.token, replica.record())

    def take_over(self, fleet: Fleet) -> None:
        """Let *fleet* serve from now on; each one before ends when its last request has."""
        before, self.serving = self.serving, fleet
        self._show()
        for replica in before.members if before is not None else ():
            self._leave(replica)

    def join(self, fleet: Fleet, replica: Replica) -> None:
        """Add *replica* to *fleet*; it serves if that does."""
        fleet.members.append(replica)
        self._show()

    def dismiss(self, surplus: int) -> None:
        """Let the *surplus* newest of those who serve end when their last requests have."""
        if self.serving is None:
            return
        members = self.serving.members
        leaving = [members.pop() for _ in range(surplus)]
        self._show()
        for replica in leaving:
            self._leave(replica)

    def lose(self, fleet: Fleet, replica: Replica) -> bool:
        """Take *replica*, which has ended by itself, out of *fleet*; return whether that served."""
        if replica not in fleet.members or fleet not in (self.serving, self.dozing):
            return False  # it was told to end
        fleet.members.remove(replica)
        served = fleet is self.serving
        if served:
            self._show()
        elif not fleet.members:
            self.dozing = None
        self.end(replica)
        return served

    def withdraw(self) -> Fleet | None:
        """Let nobody serve, and return who did."""
        fleet, self.serving = self.serving, None
        if fleet is not None:
            self._hub.gateway.withdraw(self.repo)
        return fleet

    async def doze(self) -> None:
        """Freeze the apps that serve."""
        fleet = self.withdraw()
        if fleet is not None:
            self.dozing = fleet
            async with self._nap:
                if self.dozing is fleet:  # nobody has asked for it already
                    await asyncio.gather(*(replica.freeze() for replica in fleet.members))

    async def rouse(self) -> Fleet | None:
        """Let the frozen apps serve again and return them, None where there are none."""
        async with self._nap:
            fleet = self.dozing
            if fleet is None:
                return None
            await asyncio.gather(*(replica.thaw() for replica in fleet.members))
            if self.dozing is not fleet:  # they were told to end meanwhile
                return None
            self.dozing = None
            if not fleet.members:  # they have ended by themselves
                return None
            self.take_over(fleet)
            return fleet

    async def take_in(self, replica: Replica, *, asleep: bool) -> Fleet:
        """Have *replica*, which an earlier Hub started, serve here or sleep, beside others like it."""
        fleet = (self.dozing if asleep else self.serving) or Fleet(replica.sha)
        fleet.members.append(replica)
        if asleep:
            self.dozing = fleet
            await replica.freeze()  # the other Hub has, or was just about to
        else:
            self.serving = fleet
            await replica.thaw()
            self._show()
        return fleet

    async def deepen(self) -> None:
        """End the frozen apps, for their memory."""
        async with self._nap:
            fleet, self.dozing = self.dozing, None
        if fleet is not None:
            await asyncio.shield(self.end_all(fleet))

    async def stand_down(self) -> None:
        """End the apps, whether they serve or sleep, or wake just now."""
        fleets = [self.withdraw(), self.dozing]
        self.dozing = None
        async with self._nap:  # who is half asleep or half awake would not hear it
            ends = [self.end_all(fleet) for fleet in fleets if fleet is not None]
        await asyncio.shield(asyncio.gather(*ends))

    def end(self, replica: Replica) -> asyncio.Task[None]:
        """Begin to stop *replica*; `finish` waits until that is done."""
        task = asyncio.create_task(self._stop(replica))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    def end_all(self, fleet: Fleet) -> asyncio.Future[list[None]]:
        """Begin to stop every replica of *fleet*."""
        return asyncio.gather(*(self.end(replica) for replica in fleet.members))

    async def finish(self) -> None:
        """Return when nothing is on its way out any more."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _show(self) -> None:
        """Tell the gateway who serves."""
        fleet = self.serving
        if fleet is None:
            return
        if not fleet.members:
            self.withdraw()
            return
        may_grow = not fleet.is_static and self._hub.spaces.public_settings(self.repo).may_have_replicas
        self._hub.gateway.serve(self.repo, *fleet.addresses, headers=fleet.headers, may_grow=may_grow)

    def _leave(self, replica: Replica) -> None:
        task = asyncio.create_task(self._retire(replica))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _retire(self, replica: Replica) -> None:
        try:
            await self._hub.gateway.drained(replica.address, within=self._crew.drain_seconds)
        finally:
            self.end(replica)

    async def _stop(self, replica: Replica) -> None:
        await replica.stop()
        if replica.app is not None:
            self._crew.states.ended(replica.token)
        if replica.spec is not None and replica.spec.venv is not None and self._crew.layers is not None:
            self._crew.layers.release(replica.spec.venv)
