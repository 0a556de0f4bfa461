"""The Xet hashes of files in buckets: worked out when they are asked for, and remembered."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from spacehand.localhub.buckets.content import ChangedError, Content
from spacehand.localhub.buckets.folder import Entry, Folder, described
from spacehand.localhub.errors import HubError, entry_not_found
from spacehand.localhub.store.database import Database
from spacehand.localhub.xet.store import MAX_FILE_SIZE

CONTENTS = """
CREATE TABLE IF NOT EXISTS bucket_contents (
    bucket TEXT NOT NULL REFERENCES buckets (uid) ON DELETE CASCADE, path TEXT NOT NULL,
    stamp TEXT NOT NULL, hash TEXT NOT NULL, size INTEGER NOT NULL, chunks BLOB NOT NULL,
    PRIMARY KEY (bucket, path));
CREATE INDEX IF NOT EXISTS bucket_contents_by_hash ON bucket_contents (bucket, hash)
"""

_LARGE = 1024 * 1024  # bytes
# File systems tell the time in steps: of a file changed just now, a further change might not be seen.
_STEP_NS = 50_000_000


@dataclass(frozen=True, slots=True)
class Hashed:
    """A file with its Xet hash."""

    entry: Entry
    hash: str


@dataclass(frozen=True, slots=True)
class Stored:
    """Where in a bucket a content lies."""

    folder: Folder
    path: str
    content: Content
    forget: Callable[[], None]  # called when it lies there no more

    def blocks(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes *start* to *end* (exclusive), each compared with its hash."""
        end = self.content.size if end is None else end
        return self._told(self.content.blocks(partial(self.folder.open, self.path), start, end))

    def pack_blocks(self, first: int, start: int, end: int) -> Iterator[bytes]:
        """Yield the stored bytes *start* to *end* of the pack that begins with the chunk *first*."""
        opened = partial(self.folder.open, self.path)
        return self._told(self.content.pack_blocks(opened, first, start, end))

    def _told(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from blocks
        except ChangedError:
            self.forget()
            raise


class Contents:
    """What is known of the files of all buckets; buckets are named by their uids."""

    def __init__(self, database: Database, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._database = database
        self._clock = clock
        # A large file is read once, however many ask for its hash meanwhile.
        self._reading = [threading.Lock() for _ in range(64)]

    def hashed(self, bucket: str, folder: Folder, entries: Iterable[Entry]) -> list[Hashed]:
        """
        Return the files *entries* with their hashes, which means reading those that are new or were changed.

        What is not there any more, or is too large for Xet, is left out.
        """
        found: list[Hashed] = []
        read: list[_Read] = []
        for entry in entries:
            known = self._known(bucket, entry)
            if known is None:
                known = self._read_once(bucket, folder, entry, read)
            if known is not None:
                found.append(known)
        self._remember(bucket, read)
        return found

    def keep(self, bucket: str, entry: Entry, content: Content, xet_hash: str) -> None:
        """Remember what the file *entry*, just written, holds."""
        self._remember(bucket, [_Read(Hashed(entry, xet_hash), content, entry.stamp)])

    def forget(self, bucket: str, path: str) -> None:
        """Forget a file that was removed."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM bucket_contents WHERE bucket = ? AND path = ?", (bucket, path))

    def forget_gone(self, bucket: str, folder: Folder, there: Iterable[str]) -> None:
        """Forget the files that apps removed; *there* are the paths that need no second look."""
        rows = self._database.rows("SELECT path FROM bucket_contents WHERE bucket = ?", (bucket,))
        for path in {row["path"] for row in rows}.difference(there):
            try:
                folder.entry(path)
            except HubError:
                self.forget(bucket, path)

    def stored(self, bucket: str, folder: Folder, path: str, xet_hash: str) -> Stored:
        """
        Return the content with the hash *xet_hash*, which the file *path* had when it was asked for last.

        Raises:
            HubError: 404, it had another.
        """
        row = self._database.row(
            "SELECT chunks FROM bucket_contents WHERE bucket = ? AND path = ? AND hash = ?",
            (bucket, path, xet_hash),
        )
        if row is None:
            raise entry_not_found(path)
        return self._stored(bucket, folder, path, Content.from_bytes(row["chunks"]))

    def by_hash(self, bucket: str, folder: Folder, xet_hash: str) -> Stored | None:
        """Return a content of the bucket by its hash, or None."""
        rows = self._database.rows(
            "SELECT path, stamp, chunks FROM bucket_contents WHERE bucket = ? AND hash = ?",
            (bucket, xet_hash),
        )
        for row in rows:
            content = Content.from_bytes(row["chunks"])
            if _is_there(folder, row["path"], row["stamp"], content):
                return self._stored(bucket, folder, row["path"], content)
        return None

    def _stored(self, bucket: str, folder: Folder, path: str, content: Content) -> Stored:
        return Stored(folder, path, content, partial(self.forget, bucket, path))

    def _known(self, bucket: str, entry: Entry) -> Hashed | None:
        row = self._database.row(
            "SELECT hash FROM bucket_contents WHERE bucket = ? AND path = ? AND stamp = ?",
            (bucket, entry.path, entry.stamp),
        )
        return None if row is None else Hashed(entry, row["hash"])

    def _read_once(self, bucket: str, folder: Folder, entry: Entry, read: list[_Read]) -> Hashed | None:
        """Read a file, or wait for whoever does; add it to *read*, or remember it at once if it is large."""
        with self._reading[hash((bucket, entry.path)) % len(self._reading)]:
            if (known := self._known(bucket, entry)) is not None:
                return known
            if entry.size > MAX_FILE_SIZE:
                return None
            try:
                fresh = self._read(bucket, folder, entry.path)
            except HubError:
                return None
            if fresh.content.size > _LARGE:
                self._remember(bucket, [fresh])
            else:
                read.append(fresh)
            return fresh.found

    def _read(self, bucket: str, folder: Folder, path: str) -> _Read:
        row = self._database.row(
            "SELECT hash, chunks FROM bucket_contents WHERE bucket = ? AND path = ?", (bucket, path)
        )
        descriptor = folder.open(path)
        try:
            entry, now = described(path, os.fstat(descriptor)), self._clock()
            if row is not None and (content := Content.from_bytes(row["chunks"])).is_all_of(descriptor):
                found = Hashed(entry, row["hash"])  # touched, and not changed
            else:
                content = Content.read(descriptor, entry.size)
                found = Hashed(entry.with_size(content.size), content.hash)
            is_quiet = described(path, os.fstat(descriptor)).stamp == entry.stamp
        finally:
            os.close(descriptor)
        # While somebody writes, the hash is that of what was read, and not to be trusted a second time.
        is_quiet = is_quiet and now - entry.changed_ns > _STEP_NS
        return _Read(found, content, entry.stamp if is_quiet else "")

    def _remember(self, bucket: str, read: Sequence[_Read]) -> None:
        if not read:
            return
        rows = [(bucket, *each.row) for each in read]
        with self._database.write() as connection:
            if connection.execute("SELECT 1 FROM buckets WHERE uid = ?", (bucket,)).fetchone():
                connection.executemany(
                    "INSERT OR REPLACE INTO bucket_contents VALUES (?, ?, ?, ?, ?, ?)", rows
                )


def _is_there(folder: Folder, path: str, stamp: str, content: Content) -> bool:
    """Whether the file *path* still begins with *content*; a log may have grown since its hash was told."""
    try:
        descriptor = folder.open(path)
    except HubError:
        return False
    try:
        return described(path, os.fstat(descriptor)).stamp == stamp or content.begins(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of a file; *stamp* is empty where somebody wrote to it meanwhile."""

    found: Hashed
    content: Content
    stamp: str

    @property
    def row(self) -> tuple[object, ...]:
        """As the database keeps it, after the bucket."""
        size, chunks = self.content.size, self.content.to_bytes()
        return self.found.entry.path, self.stamp, self.found.hash, size, chunks
