"""One start of one app: its files, its process, its health, its memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spacehand.localhub.runner.address import Address, FolderAddress
from spacehand.localhub.runner.engines._protocol import App, Fidelity, Folders, RunSpec
from spacehand.localhub.runner.life.guard import Guard
from spacehand.localhub.runner.life.health import HealthWatch, Pace, UnhealthyAppError
from spacehand.localhub.runner.life.record import ReplicaRecord
from spacehand.localhub.store.removal import remove_all


class AppEndedError(UnhealthyAppError):
    """The app exited by itself; *code* is 128 + n after signal n."""

    def __init__(self, code: int, message: str, *, took_too_much: bool, last_word: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.took_too_much = took_too_much
        self.last_word = last_word

    @property
    def summary(self) -> str:
        """How it ended, with the last line it wrote: a traceback's first says nothing."""
        if not self.last_word:
            return super().summary
        return f"Exit code: {self.code}. Reason: {self.last_word}"


@dataclass
class Replica:
    """A started app, or the files of a static Space; ends with `stop`."""

    sha: str
    folders: Folders
    address: Address
    app: App | None = None  # None: static
    spec: RunSpec | None = None
    fidelity: Fidelity = Fidelity.STATIC
    tail: Callable[[], str] = lambda: ""  # the last lines of the run log
    started: float = field(default_factory=time.time)
    headers: Mapping[str, str] = field(default_factory=dict)  # that the card adds to each answer
    settings: str = ""  # a mark of the settings it was started with
    _guard: Guard | None = None
    _watch: asyncio.Task[None] | None = None

    @property
    def token(self) -> str:
        """Its name, which no other replica has."""
        return self.folders.root.name

    def record(self) -> ReplicaRecord:
        """Return what finds the app again."""
        assert self.app is not None  # noqa: S101 - a static Space has nothing to find
        assert self.spec is not None  # noqa: S101
        return ReplicaRecord(
            self.sha,
            self.fidelity.value,
            self.settings,
            self.app.record(),
            self.spec,
            self.headers,
        )

    async def freeze(self) -> None:
        """Give the app no more processor time."""
        if self.app is not None:
            if self._guard is not None:
                self._guard.is_resting = True
            await self.app.freeze()

    async def thaw(self) -> None:
        """Let the frozen app go on."""
        if self.app is not None:
            await self.app.thaw()
            if self._guard is not None:
                self._guard.is_resting = False

    def guard(self) -> None:
        """Watch memory and disk from now on."""
        if self.app is not None and self.spec is not None:
            self._guard = Guard(self.app, self.spec)
            self._watch = asyncio.create_task(self._guard.run())

    async def healthy(self, limit: float, path: str = "/", pace: Pace | None = None) -> None:
        """
        Return once the app answers as it should.

        Raises:
            UnhealthyAppError: it never will; `AppEndedError` when it exited.
        """
        if self.app is None:
            return
        watch = HealthWatch(self.app, limit, path, pace or Pace())
        health = asyncio.create_task(watch.wait())
        end = asyncio.create_task(self.app.wait())
        try:
            await asyncio.wait([health, end], return_when=asyncio.FIRST_COMPLETED)
            if end.done():
                raise self._ended(end.result())
            await health
            self.address = self.app.address
        finally:
            health.cancel()
            end.cancel()
            await asyncio.gather(health, end, return_exceptions=True)

    async def ended(self) -> AppEndedError:
        """Return how the app ended, once it has."""
        if self.app is None:
            await asyncio.Event().wait()
        assert self.app is not None  # noqa: S101 - for the type checker
        return self._ended(await self.app.wait())

    async def stop(self) -> None:
        """End the app and remove its files."""
        if self._watch is not None:
            self._watch.cancel()
        if self.app is not None:
            await self.app.stop()
        if self.spec is not None:
            self.spec.socket.unlink(missing_ok=True)
        await asyncio.to_thread(remove_all, self.folders.root)

    def _ended(self, code: int) -> AppEndedError:
        if self._guard is not None and (reason := self._guard.reason()):
            return AppEndedError(code, reason, took_too_much=True)
        said = self.tail().rstrip()
        return AppEndedError(
            code,
            f"Exit code: {code}. Reason: {said}".rstrip(),
            took_too_much=False,
            last_word=said.rpartition("\n")[2].strip(),
        )


def static_replica(
    sha: str, folder: Path, index: str, variables: Mapping[str, str], headers: Mapping[str, str]
) -> Replica:
    """Return a replica whose files the gateway serves itself."""
    folders = Folders(folder)
    return Replica(sha, folders, FolderAddress(folders.app, index, variables), headers=headers)
