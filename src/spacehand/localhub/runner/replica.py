"""One start of one app: its files, its process, its health, its memory."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spacehand.localhub.runner.address import Address, FolderAddress
from spacehand.localhub.runner.engines._protocol import App, Fidelity, Folders, RunSpec
from spacehand.localhub.runner.health import HealthWatch, Pace, UnhealthyAppError
from spacehand.localhub.runner.record import ReplicaRecord

_LOOK_SECONDS = 1.0  # how often memory is looked at
_CLOSE_LOOK_SECONDS = 0.1  # when half of the limit is used


class AppEndedError(UnhealthyAppError):
    """The app exited by itself; *code* is 128 + n after signal n."""

    def __init__(self, code: int, message: str, *, out_of_memory: bool, last_word: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.out_of_memory = out_of_memory
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
    memory: str = "16Gi"  # the limit, as it is shown
    tail: Callable[[], str] = lambda: ""  # the last lines of the run log
    started: float = field(default_factory=time.time)
    headers: Mapping[str, str] = field(default_factory=dict)  # that the card adds to each answer
    settings: str = ""  # a mark of the settings it was started with
    _is_frozen: bool = False
    _out_of_memory: bool = False
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
            self.memory,
            self.settings,
            self.app.record(),
            self.spec,
            self.headers,
        )

    async def freeze(self) -> None:
        """Give the app no more processor time."""
        if self.app is not None:
            self._is_frozen = True
            await self.app.freeze()

    async def thaw(self) -> None:
        """Let the frozen app go on."""
        if self.app is not None:
            await self.app.thaw()
            self._is_frozen = False

    def guard(self) -> None:
        """Watch the memory from now on."""
        if self.app is not None:
            self._watch = asyncio.create_task(self._guard_memory(self.app))

    async def healthy(self, limit: float, path: str = "/", pace: Pace | None = None) -> None:
        """
        Return once the app answers as it should.

        Raises:
            UnhealthyAppError: it never will; `AppEndedError` when it exited.
        """
        if self.app is None:
            return
        watch = HealthWatch(self.app, self.fidelity, limit, path, pace or Pace())
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
        await asyncio.to_thread(shutil.rmtree, self.folders.root, ignore_errors=True)

    def _ended(self, code: int) -> AppEndedError:
        if self._out_of_memory or (self.app is not None and self.app.was_out_of_memory):
            return AppEndedError(code, f"Memory limit exceeded ({self.memory})", out_of_memory=True)
        said = self.tail().rstrip()
        return AppEndedError(
            code,
            f"Exit code: {code}. Reason: {said}".rstrip(),
            out_of_memory=False,
            last_word=said.rpartition("\n")[2].strip(),
        )

    async def _guard_memory(self, app: App) -> None:
        assert self.spec is not None  # noqa: S101 - an app has one
        limit = self.spec.memory_bytes
        while True:
            # Who is frozen takes no more.
            used = 0 if self._is_frozen else await asyncio.to_thread(app.memory, limit)
            if used > limit:
                self._out_of_memory = True
                await asyncio.to_thread(app.kill)
                return
            await asyncio.sleep(_CLOSE_LOOK_SECONDS if used > limit / 2 else _LOOK_SECONDS)


def static_replica(sha: str, folder: Path, index: str, variables: dict[str, str]) -> Replica:
    """Return a replica whose files the gateway serves itself."""
    folders = Folders(folder)
    return Replica(sha, folders, FolderAddress(folders.app, index, variables))
