"""The buckets of a Hub: one row each, and one folder of plain files, which alone says what is in it."""

from __future__ import annotations

import os
import re
import sqlite3
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from spacehand.ids import RepoId, Visibility
from spacehand.localhub.buckets.contents import CONTENTS, Contents
from spacehand.localhub.buckets.folder import Folder
from spacehand.localhub.errors import HubError, repo_not_found
from spacehand.localhub.store.database import Database
from spacehand.localhub.store.objects import Objects
from spacehand.localhub.store.place import Place
from spacehand.localhub.store.removal import remove_all

_UID = re.compile(r"[0-9a-f]{32}\Z")
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS buckets (
    uid TEXT PRIMARY KEY, owner TEXT NOT NULL COLLATE NOCASE, name TEXT NOT NULL COLLATE NOCASE,
    visibility TEXT NOT NULL, created REAL NOT NULL, UNIQUE (owner, name));
CREATE TABLE IF NOT EXISTS bucket_moves (
    owner TEXT NOT NULL COLLATE NOCASE, name TEXT NOT NULL COLLATE NOCASE,
    uid TEXT NOT NULL REFERENCES buckets (uid) ON DELETE CASCADE, PRIMARY KEY (owner, name));
{CONTENTS}
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket; *uid* never changes, the id may."""

    uid: str
    id: RepoId
    visibility: Visibility
    created: float  # seconds since 1970

    @property
    def private(self) -> bool:
        """As the API says it."""
        return self.visibility is not Visibility.PUBLIC


@dataclass(frozen=True, slots=True)
class Usage:
    """What a bucket holds: *size* in bytes, and when that last *changed* (Unix)."""

    size: int
    files: int
    changed: float


class MovedBucket(HubError):  # noqa: N818 - an answer, not a fault
    """The bucket has another name now."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(307, f"Moved to {bucket.id}")
        self.bucket = bucket


class Buckets:
    """All buckets of one Hub; apps run as the user *app_user*."""

    def __init__(
        self,
        database: Database,
        place: Place,
        objects: Objects,
        *,
        app_user: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._place = place
        self._objects = objects
        self._app_user = app_user
        self._clock = clock
        self.contents = Contents(database)

    def find(self, owner: str, name: str) -> Bucket:
        """
        Return the bucket; its id is matched in whatever case.

        Raises:
            MovedBucket: it has another name now.
            HubError: 404.
        """
        row = self._database.row("SELECT * FROM buckets WHERE owner = ? AND name = ?", (owner, name))
        if row is not None:
            return _bucket(row)
        row = self._database.row(
            "SELECT buckets.* FROM bucket_moves JOIN buckets USING (uid)"
            " WHERE bucket_moves.owner = ? AND bucket_moves.name = ?",
            (owner, name),
        )
        if row is not None:
            raise MovedBucket(_bucket(row))
        raise repo_not_found()

    def by_uid(self, uid: str) -> Bucket:
        """
        Return the bucket as it is now.

        Raises:
            HubError: 404, it was deleted.
        """
        row = self._database.row("SELECT * FROM buckets WHERE uid = ?", (uid,))
        if row is None:
            raise repo_not_found()
        return _bucket(row)

    def list(self, *, owner: str | None = None, search: str = "") -> list[Bucket]:
        """Return the buckets of *owner*, or of all, whose id holds *search*, in the order of ids."""
        rows = self._database.rows(
            "SELECT * FROM buckets WHERE instr(lower(owner || '/' || name), lower(?)) > 0"
            " AND (? IS NULL OR owner = ?) ORDER BY lower(owner), lower(name)",
            (search, owner, owner),
        )
        return [_bucket(row) for row in rows]

    def create(self, bucket_id: RepoId, visibility: Visibility = Visibility.PUBLIC) -> Bucket:
        """
        Make an empty bucket.

        Raises:
            BucketExistsError: there is one of that name.
        """
        bucket = Bucket(uuid.uuid4().hex, bucket_id, visibility, self._clock())
        with self._database.write() as connection:
            self._refuse_taken(bucket_id)
            self._forget_move(connection, bucket_id)
            connection.execute(
                "INSERT INTO buckets VALUES (?, ?, ?, ?, ?)",
                (bucket.uid, bucket_id.owner, bucket_id.name, visibility, bucket.created),
            )
            folder = self._place.bucket(bucket.uid)
            folder.mkdir(parents=True)
            if os.geteuid() == 0:
                os.chown(folder, self._app_user, self._app_user)
        return bucket

    def change(self, bucket: Bucket, visibility: Visibility) -> Bucket:
        """Set who may see the bucket; return it so."""
        with self._database.write() as connection:
            connection.execute("UPDATE buckets SET visibility = ? WHERE uid = ?", (visibility, bucket.uid))
        return replace(bucket, visibility=visibility)

    def move(self, bucket: Bucket, bucket_id: RepoId) -> Bucket:
        """
        Give the bucket another id, and return it; the old one leads to it from now on.

        Raises:
            BucketExistsError: there is one of that name.
        """
        is_new = str(bucket_id).lower() != str(bucket.id).lower()
        with self._database.write() as connection:
            if is_new:
                self._refuse_taken(bucket_id)
            self._forget_move(connection, bucket_id)
            connection.execute(
                "UPDATE buckets SET owner = ?, name = ? WHERE uid = ?",
                (bucket_id.owner, bucket_id.name, bucket.uid),
            )
            if is_new:
                old = (bucket.id.owner, bucket.id.name, bucket.uid)
                connection.execute("INSERT OR REPLACE INTO bucket_moves VALUES (?, ?, ?)", old)
        return replace(bucket, id=bucket_id)

    def delete(self, bucket: Bucket) -> None:
        """Remove the bucket with all its files; an app that has it mounted is left with nothing."""
        with self._database.write() as connection:
            self._objects.forget(connection, bucket.uid)
            connection.execute("DELETE FROM buckets WHERE uid = ?", (bucket.uid,))
        # From here on it is gone; a Hub killed before the next line removes the folder when it starts.
        remove_all(self._place.bucket(bucket.uid))

    def sweep(self) -> None:
        """Remove folders that no row knows: of buckets half-made or half-deleted when a Hub was killed."""
        known = {row["uid"] for row in self._database.rows("SELECT uid FROM buckets")}
        for folder in self._place.buckets.glob("*"):
            if _UID.match(folder.name) and folder.name not in known:
                remove_all(folder)

    def folder(self, bucket: Bucket) -> Folder:
        """Return the bucket's files."""
        return Folder(self._place.bucket(bucket.uid))

    def usage(self, bucket: Bucket) -> Usage:
        """Return what the bucket holds now."""
        files = self.folder(bucket).entries(recursive=True)
        changed = max((entry.changed_ns / 1e9 for entry in files), default=bucket.created)
        return Usage(sum(entry.size for entry in files), len(files), changed)

    def _refuse_taken(self, bucket_id: RepoId) -> None:
        try:
            taken = self.find(bucket_id.owner, bucket_id.name)
        except HubError:
            return  # free, or only an old name of another bucket
        raise BucketExistsError(taken)

    def _forget_move(self, connection: sqlite3.Connection, bucket_id: RepoId) -> None:
        connection.execute(
            "DELETE FROM bucket_moves WHERE owner = ? AND name = ?", (bucket_id.owner, bucket_id.name)
        )


class BucketExistsError(HubError):
    """409; the route adds the bucket's ``url``, which the client needs for ``exist_ok``."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(409, f"A bucket called {bucket.id} already exists")
        self.bucket = bucket


def _bucket(row: sqlite3.Row) -> Bucket:
    return Bucket(
        row["uid"], RepoId(row["owner"], row["name"]), Visibility(row["visibility"]), row["created"]
    )
