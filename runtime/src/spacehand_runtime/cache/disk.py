"""
The disk tier: one file for each result, never changed under its name, with a checksum over all of it.

A file is written under another name, then renamed; a reader maps it and looks into it in place. Whoever dies
while writing leaves a file that nobody has locked, which the next start sweeps away.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import mmap
import os
import struct
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from spacehand_runtime.cache.claim import Claim, sweep
from spacehand_runtime.cache.entry import Entry, Name
from spacehand_runtime.cache.packing import Packed, pack, unpack
from spacehand_runtime.codec.encoded import CorruptError, Encoded
from spacehand_runtime.key.digest import for_files, of_files

_log = logging.getLogger("spacehand_runtime.cache")

_PREAMBLE = struct.Struct("<8s8s32sQQ")  # magic, checksum's name, checksum, length of the header, of the file
_MAGIC = b"spacehd1"
_ALIGN = 64  # bytes; where arrays like to begin
_LEFT = 0.95  # of the bound, once it was reached: else each further result would measure the folder
_FAILURE = 60.0  # seconds for which a failure waits for those to whom it is told
_USED = 60.0  # seconds between two notes that a file was used
_ZEROS = bytes(_ALIGN)
_AT_ONCE = 512  # pieces; Linux and macOS take 1024
# ValueError: empty, or no JSON. ImportError: its library is gone. None of them is a result, for us.
_DAMAGE = (
    CorruptError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    ImportError,
    RecursionError,
    struct.error,
)
_PIECE = 1 << 30  # bytes for one call; macOS refuses 2 GiB and more
_MAPPED = 1 << 16  # bytes; the system maps only so many files


class Disk:
    """Results in *directory*, at most about *max_bytes* of them; shared by all processes that name it."""

    def __init__(self, directory: Path, max_bytes: int, *, compress: bool = False) -> None:
        self.max_bytes, self._compress = max_bytes, compress
        self.evictions = self.corrupt = 0
        home = self.home = directory.resolve() / "spacehand-cache-1"
        self._entries, self._writing, self._claims = (
            home / name for name in ("entries", "writing", "claims")
        )
        for folder in (home, self._entries, self._writing, self._claims):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        self._lock = threading.Lock()
        self.swept = sweep(self._writing) + sweep(self._claims)
        self._written = 0  # bytes since the folder was last measured
        self._room()

    def disown(self, name: Name | None = None) -> None:
        """Take the claims on *name*, or all, from those who compute: what they compute is not kept."""
        with contextlib.suppress(OSError):
            for path in [self._claims / _file_name(name)] if name else list(self._claims.iterdir()):
                path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Begin with a lock of our own, in a forked child."""
        self._lock = threading.Lock()

    def claim(self, name: Name, lease: float) -> Claim:
        """Return the claim to compute *name*, not yet attempted."""
        return Claim(self._claims / _file_name(name), lease)

    def identity(self, name: Name) -> tuple[int, int, int] | None:
        """Return what tells the file of *name* from one that replaced it; None where there is none."""
        path = self._path(name)
        try:
            stat = os.stat(path)  # noqa: PTH116 - on the way of every hit
        except OSError:
            return None
        self._note_use(path, stat)
        return _identity(stat)

    def read(self, name: Name) -> Entry | None:
        """Return the result called *name*, its checksum verified; a damaged one is removed and counted."""
        path = self._path(name)
        try:
            with path.open("rb") as file:
                stat = os.fstat(file.fileno())
                content = _content(file, stat.st_size)
            entry = _parse(content, name)
            entry.value()  # what cannot be put together is as good as damaged
        except OSError as error:  # not there, or not to be had: too many open files, say
            if not isinstance(error, FileNotFoundError):
                _log.warning("Cannot read from the cache's directory: %s", error)
            return None
        except _DAMAGE:
            self.corrupt += 1
            path.unlink(missing_ok=True)
            return None
        entry.file = _identity(stat)
        self._note_use(path, stat)
        return entry

    def write(self, name: Name, encoded: Encoded, entry: Entry) -> Entry | None:
        """
        Store *encoded* with the terms of *entry*, and return it as it lies there; None if it is too large.

        It is there whole or not at all, whatever happens.
        """
        pieces = list(_pieces(name, encoded, entry, compress=self._compress))
        size = sum(len(piece) if isinstance(piece, bytes) else piece.nbytes for piece in pieces)
        if size > self.max_bytes:
            return None
        target = self._path(name)
        descriptor, temporary = self._begin()
        try:
            with os.fdopen(descriptor, "r+b", buffering=0) as file:
                _write_all(file, pieces)
                # The system's own time stamp may be that of the file before, and so may the inode.
                os.utime(file.fileno(), ns=(time.time_ns(), time.time_ns()))
                temporary.replace(target)
                stat = os.fstat(descriptor)
                # Our own bytes: the checksum has just been made of them.
                written = _parse(_content(file, stat.st_size), name, verify=False)
                written.file = _identity(stat)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self._written += size
        # Other processes write too: measure often enough that all of them together stay near the bound.
        if self._written > self.max_bytes // 20 or self._known + self._written > self.max_bytes:
            self._room()
        return written

    def remove(self, name: Name) -> None:
        """Remove the result called *name*."""
        self._path(name).unlink(missing_ok=True)

    def remove_where(self, unwanted: Callable[[Name, Entry], bool]) -> int:
        """Remove each result that is *unwanted*, going by the head of its file; return how many."""
        removed = 0
        for path in self._entries.iterdir():
            try:
                with path.open("rb") as file:
                    header = _header(file.read(_PREAMBLE.size), file)
                name: Name = (header["name"][0], header["name"][1])
                entry = Entry(None, [], header["fresh"], header["good"], tuple(header["tags"]))
            except FileNotFoundError:
                continue
            except _DAMAGE:
                self.corrupt += 1
                path.unlink(missing_ok=True)
                continue
            if unwanted(name, entry):
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def measure(self) -> tuple[int, int]:
        """Return how many results there are, and their bytes."""
        sizes = [stat.st_size for _, stat in self._stats()]
        return len(sizes), sum(sizes)

    def _path(self, name: Name) -> Path:
        return self._entries / _file_name(name)

    def _begin(self) -> tuple[int, Path]:
        """Return a new locked file: a sweep takes those that nobody has locked."""
        import fcntl

        while True:
            path = self._writing / uuid.uuid4().hex
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with contextlib.suppress(BlockingIOError, FileNotFoundError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.stat().st_ino == os.fstat(descriptor).st_ino:
                    return descriptor, path
            os.close(descriptor)

    def _note_use(self, path: Path, stat: os.stat_result) -> None:
        now = time.time()
        if now - stat.st_atime > _USED:
            with contextlib.suppress(OSError):
                os.utime(path, ns=(int(now * 1e9), stat.st_mtime_ns))  # a changed mtime is another file

    def _stats(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._entries.iterdir():
            with contextlib.suppress(FileNotFoundError):
                yield path, path.stat()

    def _room(self) -> None:
        """
        Measure the folder, and remove the results used longest ago until the rest fits, with some room.

        What other processes left behind when they died goes, too.
        """
        with self._lock:
            sweep(self._writing)
            sweep(self._claims, older_than=_FAILURE)
            found = sorted(self._stats(), key=lambda pair: max(pair[1].st_atime, pair[1].st_mtime))
            total = sum(stat.st_size for _, stat in found)
            bound = self.max_bytes if total <= self.max_bytes else self.max_bytes * _LEFT
            for path, stat in found:
                if total <= bound:
                    break
                path.unlink(missing_ok=True)
                self.evictions += 1
                total -= stat.st_size
            self._known, self._written = total, 0


def _file_name(name: Name) -> str:
    return hashlib.blake2b(json.dumps(name).encode(), digest_size=20).hexdigest()


def _identity(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _pieces(name: Name, encoded: Encoded, entry: Entry, *, compress: bool) -> Iterator[bytes | memoryview]:
    """Return the parts of a file, the checksum over all that follows it first."""
    buffers = [memoryview(buffer).cast("B") for buffer in encoded.buffers]
    terms: dict[str, Any] = {"name": name, "fresh": entry.fresh_until, "good": entry.good_until}
    terms["tags"] = entry.tags
    if compress:
        packed = [pack(buffer) for buffer in buffers]
        buffers = [memoryview(made.data) if made else was for made, was in zip(packed, buffers, strict=True)]
        terms["packed"] = [made and [made.method, made.size] for made in packed]
    head = json.dumps(terms | {"sizes": [buffer.nbytes for buffer in buffers], "tree": encoded.tree}).encode()
    body: list[bytes | memoryview] = [head]
    at = _PREAMBLE.size + len(head)
    for buffer in buffers:
        body += [_ZEROS[: -at % _ALIGN], buffer]
        at += -at % _ALIGN + buffer.nbytes
    algorithm, make = for_files()
    hasher = make()
    hasher.update(struct.pack("<QQ", len(head), at))
    for piece in body:
        hasher.update(piece)
    yield _PREAMBLE.pack(_MAGIC, algorithm.encode(), hasher.digest(), len(head), at)
    yield from body


def _write_all(file: Any, pieces: Iterable[bytes | memoryview]) -> None:
    """Write *pieces* with as few calls as can be: a file that grows bit by bit costs half as much more."""
    whole = (memoryview(piece).cast("B") for piece in pieces if len(piece))
    views = deque(view[at : at + _PIECE] for view in whole for at in range(0, view.nbytes, _PIECE))
    while views:
        written = os.writev(file.fileno(), _handful(views))
        while views and written >= views[0].nbytes:
            written -= views.popleft().nbytes
        if written:
            views[0] = views[0][written:]


def _handful(views: deque[memoryview]) -> list[memoryview]:
    """Return the first of *views*, as many as one call takes."""
    taken: list[memoryview] = []
    size = 0
    for view in islice(views, _AT_ONCE):
        size += view.nbytes
        if taken and size > _PIECE:
            break
        taken.append(view)
    return taken


def _content(file: Any, size: int) -> memoryview:
    if size < _MAPPED:
        file.seek(0)
        return memoryview(file.read())
    return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))


def _parse(content: memoryview, name: Name, *, verify: bool = True) -> Entry:
    """Return the entry that *content* is, after every byte of it was checked."""
    magic, algorithm, digest, length, size = _PREAMBLE.unpack_from(content)
    make = of_files(algorithm.rstrip(b"\0").decode())
    if magic != _MAGIC or size != content.nbytes or make is None:
        raise CorruptError("Not one of our files, or cut short")
    if verify:
        hasher = make()
        hasher.update(struct.pack("<QQ", length, size))
        hasher.update(content[_PREAMBLE.size :])
        if hasher.digest().ljust(32, b"\0") != digest:
            raise CorruptError("The checksum is another")
    at = _PREAMBLE.size + length
    header = json.loads(bytes(content[_PREAMBLE.size : at]))
    if tuple(header["name"]) != name:
        raise CorruptError("The file of another result")
    buffers = []
    for buffer_size in header["sizes"]:
        at += -at % _ALIGN
        buffers.append(content[at : at + buffer_size])
        at += buffer_size
    for number, packed in enumerate(header.get("packed", ())):
        if packed is not None:
            buffers[number] = unpack(Packed(str(packed[0]), int(packed[1]), buffers[number]))
    return Entry(header["tree"], buffers, header["fresh"], header["good"], tuple(header["tags"]))


def _header(preamble: bytes, file: Any) -> dict[str, Any]:
    magic, _, _, length, size = _PREAMBLE.unpack(preamble)
    if magic != _MAGIC or size != os.fstat(file.fileno()).st_size or length > size:
        raise CorruptError("Not one of our files, or cut short")
    header: dict[str, Any] = json.loads(file.read(length))
    return header
