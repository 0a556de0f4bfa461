"""Users, their tokens and sessions; of a token or a session only the sha256 is kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import sqlite3
import string
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from spacehand.localhub.errors import HubError, invalid_token
from spacehand.localhub.store.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    name TEXT PRIMARY KEY COLLATE NOCASE, kind TEXT NOT NULL, full_name TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS members (
    organization TEXT NOT NULL COLLATE NOCASE, user TEXT NOT NULL COLLATE NOCASE, role TEXT NOT NULL,
    PRIMARY KEY (organization, user));
CREATE TABLE IF NOT EXISTS tokens (
    sha256 TEXT PRIMARY KEY, user TEXT NOT NULL COLLATE NOCASE, name TEXT NOT NULL, role TEXT NOT NULL,
    repos TEXT, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
    sha256 TEXT PRIMARY KEY, user TEXT NOT NULL COLLATE NOCASE, expires REAL NOT NULL)
"""

SESSION_COOKIE = "spacehand_session"
SESSION_SECONDS = 30 * 24 * 3600
LINK_SECONDS = 300

_ALPHABET = string.ascii_letters + string.digits
# The first words of the Hub's own addresses: an account of that name could not have any.
_RESERVED = frozenset(
    (
        "api",
        "buckets",
        "cas",
        "datasets",
        "docs",
        "join",
        "lfs",
        "login",
        "models",
        "new",
        "organizations",
        "settings",
        "sign-in",
        "spaces",
        "static",
        "users",
    )
)
_ROLES = ("read", "write", "fineGrained")


@dataclass(frozen=True, slots=True)
class Account:
    """A user or an organisation."""

    name: str
    kind: str  # "user" or "org"
    full_name: str
    created: float


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is known after it was given out: never its value."""

    sha256: str
    user: str
    name: str
    role: str
    repos: frozenset[str] | None
    created: float


@dataclass(frozen=True, slots=True)
class Caller:
    """
    Who sent a request, and what it may do.

    *name* is None for an anonymous caller. *repos* limits a ``fineGrained`` token: it may write to these
    (``owner/name``, lower case), and see no other private repository.
    """

    name: str | None
    role: str = "read"
    namespaces: frozenset[str] = frozenset()  # lower case: the user, and organisations it belongs to
    repos: frozenset[str] | None = None
    token: Token | None = None

    def can_write(self, owner: str) -> bool:
        """May create, move and delete repositories of *owner*."""
        return self.role == "write" and owner.lower() in self.namespaces

    def can_write_repo(self, repo_id: object) -> bool:
        """May change the repository ``owner/name``."""
        text = str(repo_id).lower()
        if self.repos is not None:
            return text in self.repos
        return self.can_write(text.partition("/")[0])

    def can_read_repo(self, repo_id: object) -> bool:
        """May see the repository ``owner/name`` even when it is private."""
        text = str(repo_id).lower()
        if self.repos is not None:
            return text in self.repos
        return text.partition("/")[0] in self.namespaces


ANONYMOUS = Caller(None)


def valid_account_name(login: str) -> str:
    """Return *login* as a valid name of an account: ``Ada Lovelace`` → ``Ada-Lovelace``; never empty."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", login).strip("-")[:40].strip("-")
    return f"{name}-1" if name.lower() in _RESERVED else name or "you"


class Accounts:
    """All accounts of one Hub; *owner* is the user whose token lies in *token_file*."""

    def __init__(
        self,
        database: Database,
        token_file: Path,
        *,
        owner: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._clock = clock
        self._links: dict[str, tuple[str, float]] = {}
        self.owner = self._first_owner(owner)
        self._ensure_owner_token(token_file)

    def account(self, name: str) -> Account:
        """
        Return the user or organisation *name*, in whatever case.

        Raises:
            HubError: 404.
        """
        row = self._database.row("SELECT * FROM accounts WHERE name = ?", (name,))
        if row is None:
            raise HubError(404, "This user does not exist")
        return Account(row["name"], row["kind"], row["full_name"], row["created"])

    def add_user(self, name: str) -> Account:
        """Return the user *name*, added if need be."""
        return self._add(name, "user")

    def add_organization(self, name: str, members: Iterable[str]) -> Account:
        """Return the organisation *name*, added if need be; each of *members* may write in it."""
        account = self._add(name, "org")
        with self._database.write() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO members VALUES (?, ?, 'admin')", [(account.name, m) for m in members]
            )
        return account

    def organizations(self, user: str) -> list[Account]:
        """Return the organisations that *user* belongs to."""
        rows = self._database.rows("SELECT organization FROM members WHERE user = ? ORDER BY 1", (user,))
        return [self.account(row["organization"]) for row in rows]

    def members(self, organization: str) -> list[Account]:
        """Return the users of *organization*."""
        rows = self._database.rows(
            "SELECT user FROM members WHERE organization = ? ORDER BY 1", (organization,)
        )
        return [self.account(row["user"]) for row in rows]

    def add_token(
        self, user: str, *, role: str = "write", name: str = "token", repos: Iterable[str] | None = None
    ) -> str:
        """
        Return a fresh token of *user*; this is the only time its value is seen.

        *role* is ``read``, ``write``, or ``fineGrained``: writes to *repos* (``owner/name``) alone.

        Raises:
            HubError: 400, no such role, or *repos* without ``fineGrained``; 404, no such user.
        """
        if role not in _ROLES or (role == "fineGrained") != (repos is not None):
            raise HubError(400, "`role` is read, write, or fineGrained with a list of repos")
        value = new_token()
        limited = None if repos is None else json.dumps(sorted(repo.lower() for repo in repos))
        row = (_sha256(value), self.account(user).name, name, role, limited, self._clock())
        with self._database.write() as connection:
            connection.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?)", row)
        return value

    def tokens(self, user: str) -> list[Token]:
        """Return the tokens of *user*, the oldest first."""
        rows = self._database.rows("SELECT * FROM tokens WHERE user = ? ORDER BY created", (user,))
        return [_token(row) for row in rows]

    def revoke_token(self, sha256: str) -> None:
        """
        Forget a token.

        Raises:
            HubError: 404.
        """
        with self._database.write() as connection:
            if not connection.execute("DELETE FROM tokens WHERE sha256 = ?", (sha256,)).rowcount:
                raise HubError(404, "No such token")

    def caller(self, token: str) -> Caller:
        """
        Return who *token* belongs to.

        Raises:
            HubError: 401, nobody.
        """
        row = self._database.row("SELECT * FROM tokens WHERE sha256 = ?", (_sha256(token),))
        if row is None:
            raise invalid_token()
        found = _token(row)
        return Caller(found.user, found.role, self._namespaces(found.user), found.repos, found)

    def one_time_link(self, next_page: str = "/", user: str | None = None) -> str:
        """Return the path of a link that signs a browser in as *user* (the owner), once, within 5 minutes."""
        now = self._clock()
        self._links = {code: link for code, link in self._links.items() if link[1] > now}
        code = secrets.token_urlsafe(32)
        self._links[code] = (user or self.owner, now + LINK_SECONDS)
        return f"/sign-in/{code}?{urlencode({'next': next_page})}"

    def sign_in(self, code: str) -> str:
        """
        Use up a one-time link, and return the value of the session's cookie.

        Raises:
            HubError: 403, the link was used already, or is too old.
        """
        user, expires = self._links.pop(code, ("", 0.0))
        if expires <= self._clock():
            raise HubError(403, "This sign-in link was used already, or is too old; ask for a new one")
        value = secrets.token_urlsafe(32)
        with self._database.write() as connection:
            connection.execute("DELETE FROM sessions WHERE expires < ?", (self._clock(),))
            row = (_sha256(value), user, self._clock() + SESSION_SECONDS)
            connection.execute("INSERT INTO sessions VALUES (?, ?, ?)", row)
        return value

    def session(self, cookie: str) -> Caller:
        """Return whom the session's *cookie* belongs to, with the right to read only; else anonymous."""
        query = "SELECT user FROM sessions WHERE sha256 = ? AND expires > ?"
        row = self._database.row(query, (_sha256(cookie), self._clock()))
        return ANONYMOUS if row is None else Caller(row["user"], "read", self._namespaces(row["user"]))

    def _first_owner(self, wanted: str) -> str:
        row = self._database.row("SELECT name FROM accounts WHERE kind = 'user' ORDER BY created LIMIT 1")
        return self._add(wanted, "user").name if row is None else str(row["name"])

    def _ensure_owner_token(self, path: Path) -> None:
        try:
            value = path.read_text().strip()
        except FileNotFoundError:
            value = new_token()
            write_private(path, value + "\n")
        # The file is written before the row: after a crash in between, the row is made now.
        row = (_sha256(value), self.owner, "owner", "write", None, self._clock())
        with self._database.write() as connection:
            connection.execute("INSERT OR IGNORE INTO tokens VALUES (?, ?, ?, ?, ?, ?)", row)

    def _add(self, name: str, kind: str) -> Account:
        if valid_account_name(name) != name:
            raise HubError(400, f"`{name}` cannot be the name of an account")
        with self._database.write() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO accounts VALUES (?, ?, ?, ?)", (name, kind, name, self._clock())
            )
        return self.account(name)

    def _namespaces(self, user: str) -> frozenset[str]:
        rows = self._database.rows("SELECT organization FROM members WHERE user = ?", (user,))
        return frozenset({user.lower(), *(row["organization"].lower() for row in rows)})


def new_token() -> str:
    """Return a token of the official form: ``hf_`` and 34 letters or digits."""
    return "hf_" + "".join(secrets.choice(_ALPHABET) for _ in range(34))


def write_private(path: Path, text: str) -> None:
    """Write *text* to *path* all at once, readable by its owner alone."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _token(row: sqlite3.Row) -> Token:
    repos = None if row["repos"] is None else frozenset(json.loads(row["repos"]))
    return Token(row["sha256"], row["user"], row["name"], row["role"], repos, row["created"])


def _sha256(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
