"""What every local file hashed to the last time, so that an unchanged one is not read again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from spacehand.home import home

_CHUNK = 4 << 20
# A file written again within one tick of its file system's clock keeps its mtime; until that long after
# the last write, a digest is used but not remembered.
_SETTLED_NS = 2_000_000_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS digest (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL, sha256 TEXT NOT NULL, git_oid TEXT NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class Digest:
    """The two names the Hub gives to the same bytes."""

    size: int  # bytes
    sha256: str
    git_oid: str  # sha1 of the git blob

    @classmethod
    def of(cls, content: bytes) -> Digest:
        """Return the digest of bytes in memory."""
        git = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
        git.update(content)
        return cls(len(content), hashlib.sha256(content).hexdigest(), git.hexdigest())


class Digests:
    """
    The digests of local files, remembered in one sqlite file at *path* (None: in memory only).

    A digest is taken from memory when path, size, inode, mtime and ctime are all as they were; else the file
    is read once for both digests. Losing the sqlite file costs a read, never a wrong answer.
    """

    def __init__(self, path: Path | None = None, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self.bytes_read = 0  # since this object was made; what a second publish must keep at 0
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._database = _open(path)

    @classmethod
    def default(cls) -> Digests:
        """Return the memory that lies in spacehand's own data folder."""
        return cls(home() / "digests.sqlite")

    def __enter__(self) -> Digests:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the sqlite file."""
        with self._lock:
            self._database.close()

    def digest(self, file: Path, *, progress: Callable[[int], None] | None = None) -> Digest:
        """
        Return the digest of *file*; *progress* is told the number of bytes of each piece read.

        Raises:
            OSError: *file* cannot be read.
        """
        name = os.path.realpath(file)
        status = Path(name).stat()
        if known := self._recall(name, status):
            return known
        started = self._now_ns()
        found, after = self._read(Path(name), progress)
        unchanged = _mark(status) == _mark(after) and found.size == after.st_size
        if unchanged and started - max(after.st_mtime_ns, after.st_ctime_ns) > _SETTLED_NS:
            self._remember(name, after, found)
        return found

    def sha256(self, file: Path) -> str:
        """Return the sha256 of *file*, in hex."""
        return self.digest(file).sha256

    def git_oid(self, file: Path) -> str:
        """Return the sha1 that git gives to *file* as a blob, in hex."""
        return self.digest(file).git_oid

    def _recall(self, name: str, status: os.stat_result) -> Digest | None:
        query = "SELECT size, mtime_ns, ctime_ns, inode, sha256, git_oid FROM digest WHERE path = ?"
        try:
            with self._lock:
                row = self._database.execute(query, (os.fsencode(name),)).fetchone()
        except sqlite3.OperationalError:
            return None  # locked by another process, or no longer there: reading the file is always right
        if row is None or tuple(row[:4]) != _mark(status):
            return None
        return Digest(row[0], row[4], row[5])

    def _read(self, file: Path, progress: Callable[[int], None] | None) -> tuple[Digest, os.stat_result]:
        sha256, size = hashlib.sha256(), 0
        with file.open("rb", buffering=0) as stream:
            git = hashlib.sha1(b"blob %d\0" % os.fstat(stream.fileno()).st_size, usedforsecurity=False)
            buffer = memoryview(bytearray(_CHUNK))
            while count := stream.readinto(buffer):
                sha256.update(buffer[:count])
                git.update(buffer[:count])
                size += count
                if progress is not None:
                    progress(count)
            after = os.fstat(stream.fileno())
        with self._lock:
            self.bytes_read += size
        return Digest(size, sha256.hexdigest(), git.hexdigest()), after

    def _remember(self, name: str, status: os.stat_result, found: Digest) -> None:
        row = (os.fsencode(name), *_mark(status), found.sha256, found.git_oid)
        # A full disk, or a lock, costs the memory of this file and nothing else.
        with contextlib.suppress(sqlite3.OperationalError), self._lock, self._database:
            self._database.execute("INSERT OR REPLACE INTO digest VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def _mark(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _open(path: Path | None) -> sqlite3.Connection:
    """Open the memory; a broken one is thrown away, since all it holds can be found again."""
    target = ":memory:" if path is None else str(path)
    try:
        return _prepare(target)
    except sqlite3.DatabaseError:
        if path is None or not path.exists():
            raise
        path.unlink()
        return _prepare(target)


def _prepare(target: str) -> sqlite3.Connection:
    database = sqlite3.connect(target, timeout=30, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(_SCHEMA)
        database.commit()
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database
