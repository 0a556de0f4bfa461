"""The repositories of a Hub: one row each, and one bare git repository."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2

from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.localhub.errors import HubError, repo_not_found
from spacehand.localhub.repos.first_commit import copy_repository, make_durable, make_repository
from spacehand.localhub.repos.snapshot import Snapshot, resolve
from spacehand.localhub.store.database import Database
from spacehand.localhub.store.place import Place

if TYPE_CHECKING:
    from spacehand.localhub.store.objects import Objects

SCHEMA = """
CREATE TABLE IF NOT EXISTS repos (
    uid TEXT PRIMARY KEY, kind TEXT NOT NULL,
    owner TEXT NOT NULL COLLATE NOCASE, name TEXT NOT NULL COLLATE NOCASE,
    visibility TEXT NOT NULL, gated TEXT, created REAL NOT NULL, modified REAL NOT NULL,
    UNIQUE (kind, owner, name));
CREATE TABLE IF NOT EXISTS moves (
    kind TEXT NOT NULL, owner TEXT NOT NULL COLLATE NOCASE, name TEXT NOT NULL COLLATE NOCASE,
    uid TEXT NOT NULL REFERENCES repos (uid) ON DELETE CASCADE,
    PRIMARY KEY (kind, owner, name));
CREATE TABLE IF NOT EXISTS likes (
    uid TEXT NOT NULL REFERENCES repos (uid) ON DELETE CASCADE, user TEXT NOT NULL, created REAL NOT NULL,
    PRIMARY KEY (uid, user))
"""


@dataclass(frozen=True, slots=True)
class Repo:
    """One repository; *uid* never changes, the id may."""

    uid: str
    kind: RepoKind
    id: RepoId
    visibility: Visibility
    gated: str | None  # "auto", "manual", or None
    created: float
    modified: float

    @property
    def private(self) -> bool:
        """As the API says it; a protected Space is private but for its app."""
        return self.visibility is not Visibility.PUBLIC


@dataclass(frozen=True, slots=True)
class Like:
    """*user* likes a repository."""

    user: str
    repo: Repo
    created: float


class Moved(HubError):  # noqa: N818 - an answer, not a fault
    """The repository has another name now; `request.readable_repo` answers with a redirect to it."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(307, f"Moved to {repo.id}")
        self.repo = repo


# Called inside the transaction that makes a repository; an exception from it undoes everything.
BeforeCommit = Callable[[sqlite3.Connection, Repo], None]


class Repos:
    """All repositories of one Hub."""

    def __init__(
        self,
        database: Database,
        place: Place,
        objects: Objects,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._place = place
        self._objects = objects
        self._clock = clock
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        # Every request to a Space asks for its repository: by uid, as of one generation of the database.
        self._known: tuple[int, dict[str, Repo]] = (-1, {})

    # Which there are

    def get(self, kind: RepoKind, repo_id: RepoId) -> Repo:
        """
        Return the repository; its id is matched in whatever case.

        Raises:
            Moved: it has another name now.
            HubError: 404.
        """
        return self.find(kind, repo_id.owner, repo_id.name)

    def find(self, kind: RepoKind, owner: str, name: str) -> Repo:
        """Like `get`, for names that come straight from a request and may be no valid id at all."""
        row = self._database.row(
            "SELECT * FROM repos WHERE kind = ? AND owner = ? AND name = ?", (kind, owner, name)
        )
        if row is not None:
            return _repo(row)
        row = self._database.row(
            "SELECT repos.* FROM moves JOIN repos USING (uid)"
            " WHERE moves.kind = ? AND moves.owner = ? AND moves.name = ?",
            (kind, owner, name),
        )
        if row is not None:
            raise Moved(_repo(row))
        raise repo_not_found()

    def by_uid(self, uid: str) -> Repo:
        """
        Return the repository as it is now.

        Raises:
            HubError: 404, it was deleted.
        """
        if self._database.is_changing:
            return self._read(uid)
        generation, known = self._known
        if generation != self._database.generation:
            generation, known = self._known = self._database.generation, {}
        if uid not in known:
            known[uid] = self._read(uid)
        return known[uid]

    def _read(self, uid: str) -> Repo:
        row = self._database.row("SELECT * FROM repos WHERE uid = ?", (uid,))
        if row is None:
            raise repo_not_found()
        return _repo(row)

    def list(self, kind: RepoKind | None = None, *, owner: str | None = None, search: str = "") -> list[Repo]:
        """Return the repositories of *kind* and *owner* whose id holds *search*, last changed first."""
        query = "SELECT * FROM repos WHERE instr(lower(owner || '/' || name), lower(?)) > 0"
        parameters: list[object] = [search]
        if kind is not None:
            query += " AND kind = ?"
            parameters.append(kind)
        if owner is not None:
            query += " AND owner = ?"
            parameters.append(owner)
        rows = self._database.rows(f"{query} ORDER BY modified DESC, uid", tuple(parameters))
        return [_repo(row) for row in rows]

    # Life of a repository

    def create(
        self,
        kind: RepoKind,
        repo_id: RepoId,
        visibility: Visibility = Visibility.PUBLIC,
        sdk: str | None = None,
        before_commit: BeforeCommit | None = None,
        *,
        author: str | None = None,
        copy_of: Repo | None = None,
    ) -> Repo:
        """
        Make a repository with a first commit, or with all commits of *copy_of*.

        *before_commit* writes what belongs to it into the same transaction.

        Raises:
            HubError: 409, there is one of that name.
        """
        self._refuse_taken(kind, repo_id)
        now = self._clock()
        repo = Repo(uuid.uuid4().hex, kind, repo_id, visibility, None, now, now)
        half_made = self._place.incoming / f"{repo.uid}.git"
        try:
            if copy_of is None:
                make_repository(half_made, kind, repo_id, sdk=sdk, author=author or repo_id.owner)
            else:
                with self.writing(copy_of):
                    copy_repository(self.git_dir(copy_of), half_made)
            make_durable(half_made)
            half_made.rename(self.git_dir(repo))
            with self._database.write() as connection:
                self._refuse_taken(kind, repo_id)
                connection.execute(
                    "DELETE FROM moves WHERE kind = ? AND owner = ? AND name = ?",
                    (kind, repo_id.owner, repo_id.name),
                )
                connection.execute("INSERT INTO repos VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _row(repo))
                if before_commit is not None:
                    before_commit(connection, repo)
        except BaseException:
            shutil.rmtree(half_made, ignore_errors=True)
            shutil.rmtree(self.git_dir(repo), ignore_errors=True)
            raise
        return repo

    def delete(self, repo: Repo, before_commit: BeforeCommit | None = None) -> None:
        """Remove the repository, its old names and its likes; large files may still be wanted elsewhere."""
        with self.writing(repo):
            with self._database.write() as connection:
                if before_commit is not None:
                    before_commit(connection, repo)
                connection.execute("DELETE FROM repos WHERE uid = ?", (repo.uid,))
            # From here on it is gone; a Hub killed before the next line removes the folder when it starts.
            shutil.rmtree(self.git_dir(repo), ignore_errors=True)
        self._locks.pop(repo.uid, None)

    def move(self, repo: Repo, repo_id: RepoId) -> Repo:
        """
        Give the repository another id, and return it; the old one leads to it from now on.

        Raises:
            HubError: 409, there is one of that name.
        """
        moved = replace(repo, id=repo_id, modified=self._clock())
        with self._database.write() as connection:
            if str(repo_id).lower() != str(repo.id).lower():
                self._refuse_taken(repo.kind, repo_id)
            connection.execute(
                "DELETE FROM moves WHERE kind = ? AND owner = ? AND name = ?",
                (repo.kind, repo_id.owner, repo_id.name),
            )
            connection.execute(
                "UPDATE repos SET owner = ?, name = ?, modified = ? WHERE uid = ?",
                (repo_id.owner, repo_id.name, moved.modified, repo.uid),
            )
            if str(repo_id).lower() != str(repo.id).lower():
                old = (repo.kind, repo.id.owner, repo.id.name, repo.uid)
                connection.execute("INSERT OR REPLACE INTO moves VALUES (?, ?, ?, ?)", old)
        return moved

    def change(self, repo: Repo, *, visibility: Visibility, gated: str | None) -> Repo:
        """Set who may see the repository and who may download from it; return it so."""
        with self._database.write() as connection:
            connection.execute(
                "UPDATE repos SET visibility = ?, gated = ? WHERE uid = ?", (visibility, gated, repo.uid)
            )
        return replace(repo, visibility=visibility, gated=gated)

    def touch(self, repo: Repo) -> None:
        """Note that the repository's content changed just now."""
        with self._database.write() as connection:
            connection.execute("UPDATE repos SET modified = ? WHERE uid = ?", (self._clock(), repo.uid))

    def sweep(self) -> None:
        """Remove git repositories that no row knows: half-made or half-deleted when a Hub was killed."""
        known = {row["uid"] for row in self._database.rows("SELECT uid FROM repos")}
        for folder in self._place.repos.glob("*.git"):
            if folder.name.removesuffix(".git") not in known:
                shutil.rmtree(folder, ignore_errors=True)

    # What it holds

    def git_dir(self, repo: Repo) -> Path:
        return self._place.git(repo.uid)

    def git(self, repo: Repo) -> pygit2.Repository:
        """Return a handle of the caller's own; opening takes some 40 µs, and handles are not thread-safe."""
        try:
            return pygit2.Repository(str(self.git_dir(repo)))
        except pygit2.GitError:
            raise repo_not_found() from None  # deleted in the meantime

    @contextmanager
    def writing(self, repo: Repo) -> Iterator[None]:
        """Hold the repository's lock: its branches are changed by one at a time."""
        with self._locks[repo.uid]:
            yield

    def snapshot(self, repo: Repo, revision: str = "main") -> Snapshot:
        """
        Return the files at *revision*: a branch, a tag, ``refs/…``, or a commit.

        Raises:
            HubError: 404, no such revision.
        """
        git = self.git(repo)
        return Snapshot(git, resolve(git, revision), self._objects)

    # Likes

    def like(self, repo: Repo, user: str) -> None:
        with self._database.write() as connection:
            row = (repo.uid, user, self._clock())
            connection.execute("INSERT OR IGNORE INTO likes VALUES (?, ?, ?)", row)

    def unlike(self, repo: Repo, user: str) -> None:
        with self._database.write() as connection:
            connection.execute("DELETE FROM likes WHERE uid = ? AND user = ?", (repo.uid, user))

    def likes(self, repo: Repo) -> Sequence[Like]:
        """Return who likes *repo*, the latest first."""
        rows = self._database.rows("SELECT * FROM likes WHERE uid = ? ORDER BY created DESC", (repo.uid,))
        return [Like(row["user"], repo, row["created"]) for row in rows]

    def liked_by(self, user: str) -> Sequence[Like]:
        """Return what *user* likes, the latest first."""
        rows = self._database.rows("SELECT * FROM likes WHERE user = ? ORDER BY created DESC", (user,))
        return [Like(user, self.by_uid(row["uid"]), row["created"]) for row in rows]

    def _refuse_taken(self, kind: RepoKind, repo_id: RepoId) -> None:
        try:
            taken = self.find(kind, repo_id.owner, repo_id.name)
        except HubError:
            return  # free, or only an old name of another repository
        raise AlreadyExistsError(taken)


class AlreadyExistsError(HubError):
    """409; the route adds the repository's ``url``, which the client needs for ``exist_ok``."""

    def __init__(self, repo: Repo) -> None:
        super().__init__(409, f"A {repo.kind} repository called {repo.id} already exists")
        self.repo = repo


def _repo(row: sqlite3.Row) -> Repo:
    return Repo(
        row["uid"],
        RepoKind(row["kind"]),
        RepoId(row["owner"], row["name"]),
        Visibility(row["visibility"]),
        row["gated"],
        row["created"],
        row["modified"],
    )


def _row(repo: Repo) -> tuple[object, ...]:
    return (
        repo.uid,
        repo.kind,
        repo.id.owner,
        repo.id.name,
        repo.visibility,
        repo.gated,
        repo.created,
        repo.modified,
    )
