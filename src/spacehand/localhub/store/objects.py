"""Large files by the sha256 of their content, whichever way they came."""

from __future__ import annotations

import shutil
import sqlite3
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

from spacehand.localhub.errors import HubError
from spacehand.localhub.lfs.store import LfsFiles
from spacehand.localhub.store.database import Database
from spacehand.localhub.store.incoming import full_disk_told
from spacehand.localhub.store.outgoing import file_blocks
from spacehand.localhub.store.place import Place
from spacehand.localhub.xet import store as xet_store
from spacehand.localhub.xet.shards import ShardFile
from spacehand.localhub.xet.store import XetStore

SCHEMA = f"""
{xet_store.SCHEMA};
CREATE TABLE IF NOT EXISTS holdings (
    repo TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (repo, sha256)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS object_store (id TEXT NOT NULL)
"""


class Objects:
    """
    Every large file of one Hub.

    Files are shared by all repositories, so knowing a sha256 must not be enough to get at the bytes: a
    repository *holds* a file after somebody who may write to it has sent all of it, proved to have it, or
    copied it from a repository he may read. Only what it holds may be committed to it, or fetched through it.
    """

    def __init__(self, place: Place, database: Database) -> None:
        self._place = place
        self._database = database
        self._lfs = LfsFiles(place)
        self.xet = XetStore(place, database)
        self.store_id = _store_id(database)

    def has(self, sha256: str) -> bool:
        """Whether the bytes are here, whole and verified."""
        return self._lfs.path(sha256) is not None or self.xet.identity(sha256) is not None

    def size(self, sha256: str) -> int:
        """
        Return the file's size in bytes.

        Raises:
            HubError: 404, there is no such file; so do all methods below that read it.
        """
        if (path := self._lfs.path(sha256)) is not None:
            return path.stat().st_size
        if (known := self.xet.identity(sha256)) is not None:
            return known[1]
        raise _missing(sha256)

    def xet_hash(self, sha256: str) -> str | None:
        """Return the file's Xet hash, or None when it did not come by Xet."""
        known = self.xet.identity(sha256)
        return None if known is None else known[0]

    def file(self, sha256: str) -> Path | None:
        """Return where the file lies in one piece, or None; nobody may write to it."""
        return self._lfs.path(sha256)

    def stream(self, sha256: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the file's bytes *start* to *end* (exclusive), in blocks of about a MiB."""
        end = self.size(sha256) if end is None else end
        if (path := self._lfs.path(sha256)) is not None:
            return file_blocks(path, start, end)
        if (file := self.xet.by_sha256(sha256)) is not None:
            return self.xet.stream(file, start, end)
        raise _missing(sha256)

    def write_to(self, sha256: str, target: Path) -> None:
        """Write the file's content to the new file *target*; its own copy, which may be changed."""
        with full_disk_told():
            if (path := self._lfs.path(sha256)) is not None:
                shutil.copyfile(path, target)
                return
            with target.open("wb") as copy:
                for block in self.stream(sha256):
                    copy.write(block)

    async def receive(self, source: AsyncIterator[bytes], sha256: str, size: int) -> None:
        """
        Take in a file of *size* bytes, verified while it is written; what is here already is verified too.

        Raises:
            HubError: 400, other bytes than promised; 507, the disk is full; nothing is kept then.
        """
        await self._lfs.receive(source, sha256, size, keep=not self.has(sha256))

    def receive_shard(self, files: Iterable[ShardFile], repo: str) -> bool:
        """
        Verify and keep the files of a shard, and let *repo* (a uid) hold them; return whether any was new.

        Raises:
            HubError: 400, a claim of the shard is wrong; nothing of it is kept then.
        """
        verified = self.xet.verify(files)
        new = any(self.xet.file(file.hash) is None for file in verified)
        with self._database.write() as connection:
            self.xet.add(verified)
            self.hold(connection, repo, *(file.sha256 for file in verified))
        return new

    def holds(self, repo: str, sha256: str) -> bool:
        """Whether the repository with the uid *repo* may use the file, and the file is here."""
        query = "SELECT 1 FROM holdings WHERE repo = ? AND sha256 = ?"
        return self._database.row(query, (repo, sha256)) is not None and self.has(sha256)

    def hold(self, connection: sqlite3.Connection, repo: str, *sha256: str) -> None:
        """Let the repository with the uid *repo* use the files; the caller has made sure that it may."""
        connection.executemany(
            "INSERT OR IGNORE INTO holdings VALUES (?, ?)", [(repo, one) for one in sha256]
        )

    def hold_all_of(self, connection: sqlite3.Connection, repo: str, source: str) -> None:
        """Let *repo* use all that *source* holds: it becomes a copy of it."""
        connection.execute(
            "INSERT OR IGNORE INTO holdings SELECT ?, sha256 FROM holdings WHERE repo = ?", (repo, source)
        )

    def forget(self, connection: sqlite3.Connection, repo: str) -> None:
        """Forget what a deleted repository held; the bytes stay, for clients remember what they sent."""
        connection.execute("DELETE FROM holdings WHERE repo = ?", (repo,))


def _missing(sha256: str) -> HubError:
    return HubError(404, f"There is no large file {sha256}")


def _store_id(database: Database) -> str:
    """
    Return the name of this store, made at first use.

    It is part of the address that Xet clients are given: they remember by address which xorbs a store has,
    and must not take an emptied store for the one they knew.
    """
    with database.write() as connection:
        row = connection.execute("SELECT id FROM object_store").fetchone()
        if row is None:
            fresh = uuid.uuid4().hex
            connection.execute("INSERT INTO object_store VALUES (?)", (fresh,))
            return fresh
        return str(row["id"])
