"""What becomes of apps whose Hub was killed: those that served, or slept, are adopted, the rest is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from spacehand.localhub.runner.engines import keeper_link
from spacehand.stage import Stage

if TYPE_CHECKING:
    from spacehand.localhub.hub import LocalHub
    from spacehand.localhub.runner.crew import Crew
    from spacehand.localhub.runner.life.reconciler import Reconciler
    from spacehand.localhub.runner.life.record import ReplicaRecord

_NOT_WANTED = (Stage.PAUSED, Stage.STOPPED, Stage.DELETING)


class Orphanage:
    """Used once, when a Hub starts."""

    def __init__(self, hub: LocalHub, crew: Crew) -> None:
        self._hub = hub
        self._crew = crew

    async def take_in(self, spaces: Iterable[Reconciler]) -> set[str]:
        """Return the names of the replicas that *spaces* have now; nothing else is alive any more."""
        by_uid = {space.repo.uid: space for space in spaces}
        kept = await asyncio.to_thread(self._crew.states.replicas)
        homes = [self._home(by_uid.get(uid), token, record) for uid, token, record in kept]
        adopted = {token for token in await asyncio.gather(*homes) if token is not None}
        await asyncio.gather(*(keeper_link.end(control) for control in self._strays(adopted)))
        await asyncio.to_thread(self._crew.states.forget_replicas, adopted)
        return adopted

    async def _home(self, space: Reconciler | None, token: str, record: ReplicaRecord) -> str | None:
        """Let *space* have the app if it is its own; else end it. Return its name if it was taken."""
        wanted = space is not None and _is_its_own(space, token, record)
        if space is None or not wanted:
            await self._end(record)
            return None
        replica = await self._crew.launcher.adopt(record, space.logs["run"])
        if replica is None:
            return None
        await space.adopt(replica)
        return token

    async def _end(self, record: ReplicaRecord) -> None:
        app = await self._crew.launcher.find(record)
        if app is not None:
            app.kill()
            await app.stop()

    def _strays(self, adopted: set[str]) -> list[Path]:
        """Return where keepers listen of whose start the Hub could not even make a note."""
        return [path for path in self._hub.place.sockets.glob("*.keep") if path.stem not in adopted]


def _is_its_own(space: Reconciler, token: str, record: ReplicaRecord) -> bool:
    state = space.state
    there = record.spec.folders.root.is_dir()
    return there and token in state.replicas and state.stage not in _NOT_WANTED
