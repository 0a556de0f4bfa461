"""Bytes on their way in: written aside and synced to disk before anything names them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from spacehand.localhub.errors import HubError
from spacehand.localhub.store.place import Place

_BLOCK = 1024 * 1024  # bytes gathered before a worker thread is troubled with them
_SYNC_EVERY = 16 * 1024 * 1024  # bytes
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


# Threads are started when they are first needed.
_syncers = ThreadPoolExecutor(8, "sync")

T = TypeVar("T")


class Sink(Protocol):
    """Takes bytes in order; called in a worker thread, never twice at the same time."""

    def write(self, data: bytes, /) -> object: ...


class Incoming:
    """
    A file in the Hub's ``incoming`` folder, which becomes another file whole or not at all.

    What was written is synced as it goes, in a thread of its own, and then dropped from the page cache: a
    large upload neither ends with a long wait for the disk nor drives everything else out of memory.
    Writing raises HubError 507 when the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("xb", buffering=0)
        self._syncing: Future[None] | None = None
        self._unsynced = 0
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append *data*."""
        view = memoryview(data)
        with full_disk_told():
            while view:
                written = self._file.write(view)
                self.size += written
                self._unsynced += written
                view = view[written:]
            if self._unsynced >= _SYNC_EVERY:
                self._wait()
                self._unsynced = 0
                self._syncing = _syncers.submit(_sync_and_drop, self._file.fileno())

    def become(self, target: Path) -> None:
        """Be *target* from now on, also after a power cut."""
        with full_disk_told():
            self._sync()
            target.parent.mkdir(parents=True, exist_ok=True)
            self._path.replace(target)
            for folder in (target.parent, target.parent.parent):
                _sync_folder(folder)

    def become_in(self, folder: int, name: str) -> os.stat_result:
        """
        Be *name* in the open *folder* from now on; whatever has the name and is no folder is replaced.

        Return the file's own status, though another may have replaced it already.
        """
        with full_disk_told():
            self._sync()
            os.replace(self._path, name, dst_dir_fd=folder)
            os.fsync(folder)
        return os.fstat(self._file.fileno())

    def give_to(self, user: int, group: int, modified_ns: int) -> None:
        """Let *user* read and write the file, others read it; *modified_ns* (Unix) is when it was written."""
        if os.geteuid() == 0:
            os.fchown(self._file.fileno(), user, group)
        os.fchmod(self._file.fileno(), 0o644)
        os.utime(self._file.fileno(), ns=(modified_ns, modified_ns))

    def close(self) -> None:
        """Remove the file, if it did not become another."""
        with contextlib.suppress(OSError):
            self._wait()
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _sync(self) -> None:
        self._wait()
        os.fsync(self._file.fileno())

    def _wait(self) -> None:
        syncing, self._syncing = self._syncing, None
        if syncing is not None:
            syncing.result()


@contextlib.contextmanager
def incoming(place: Place) -> Iterator[Incoming]:
    """Open a file aside; what did not become another file by the end of the block is gone."""
    with full_disk_told():
        file = Incoming(place.incoming / uuid.uuid4().hex)
    try:
        yield file
    finally:
        file.close()


@contextlib.contextmanager
def full_disk_told() -> Iterator[None]:
    """
    Turn a full disk into an answer.

    Raises:
        HubError: 507; what was half-written is removed by whoever wrote it.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise HubError(507, "No space left on device") from error


async def pour(source: AsyncIterator[bytes], *sinks: Sink) -> None:
    """
    Hand all of *source* to each of *sinks*, block by block, in worker threads.

    While one block is worked on the next is received; more than two are never held.
    """
    pieces: list[bytes] = []
    size = 0
    async with _Workers(sinks) as workers:
        async for piece in source:
            pieces.append(piece)
            size += len(piece)
            if size >= _BLOCK:
                await workers.start(pieces)
                pieces, size = [], 0
        await workers.start(pieces)
        await workers.finished()


async def in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Return *function*'s result; when the caller goes away, still wait for the thread to end."""
    working = asyncio.get_running_loop().run_in_executor(None, partial(function, *arguments))
    try:
        return await asyncio.shield(working)
    finally:
        await _end(working)


class _Workers:
    """A thread for each sink; they are left only when all are idle, for their file may be closed then."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks
        self._working: list[asyncio.Future[None]] = []

    async def __aenter__(self) -> _Workers:
        return self

    async def __aexit__(self, *_error: object) -> None:
        for working in self._working:
            await _end(working)

    async def start(self, pieces: Sequence[bytes]) -> None:
        """Begin with *pieces* once those before are done."""
        await self.finished()
        loop = asyncio.get_running_loop()
        self._working = [loop.run_in_executor(None, _write_all, sink, pieces) for sink in self._sinks]

    async def finished(self) -> None:
        for working in self._working:
            # A cancelled await must not mark the thread's work as done: it still runs.
            await asyncio.shield(working)


async def _end(working: asyncio.Future[T]) -> None:
    if not working.done():
        await asyncio.wait([working])
    if not working.cancelled():
        working.exception()  # seen: whoever awaited it was told, or has gone


def _write_all(sink: Sink, pieces: Sequence[bytes]) -> None:
    for piece in pieces:
        sink.write(piece)


def _sync_and_drop(descriptor: int) -> None:
    os.fdatasync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
