"""What the owners of Spaces set for them, kept beside the repositories and never in them."""

from __future__ import annotations

import json
import random
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from spacehand.localhub.errors import HubError
from spacehand.localhub.runner._protocol import RunSettings
from spacehand.localhub.spaces import hardware
from spacehand.localhub.spaces.volumes import parse_volumes
from spacehand.localhub.wire_time import now

if TYPE_CHECKING:
    import sqlite3

    from spacehand.localhub.repos.store import Repo
    from spacehand.localhub.store.database import Database
    from spacehand.localhub.store.keys import Keys

SCHEMA = """
CREATE TABLE IF NOT EXISTS space_settings (
    uid TEXT PRIMARY KEY,
    port INTEGER,
    hardware TEXT NOT NULL DEFAULT 'cpu-basic',
    sleep_seconds INTEGER,
    paused INTEGER NOT NULL DEFAULT 0,
    volumes TEXT NOT NULL DEFAULT '[]'
);
CREATE TABLE IF NOT EXISTS space_variables (
    uid TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    description TEXT,
    updated TEXT NOT NULL,
    PRIMARY KEY (uid, key)
);
CREATE TABLE IF NOT EXISTS space_secrets (
    uid TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    description TEXT,
    updated TEXT NOT NULL,
    PRIMARY KEY (uid, key)
);
CREATE TABLE IF NOT EXISTS space_scale (uid TEXT PRIMARY KEY, replicas INTEGER NOT NULL)
"""

FREE_HARDWARE = "cpu-basic"
MOST_REPLICAS = 10
FREE_SLEEP_SECONDS = 172_800  # 48 hours; on the Hub nobody can change it for free hardware
_NEVER = 10**10  # seconds; whoever means this long says -1
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# Below the ports that systems hand to outgoing connections: a stored one is still free after a restart.
_PORTS = range(21_000, 32_000)


@dataclass(frozen=True, slots=True)
class Entry:
    """A variable or a secret, as it came in."""

    key: str
    value: str
    description: str | None = None

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> Entry:
        """
        Return the entry that a request's JSON names.

        Raises:
            HubError: 400, no key, a key no environment can hold, or a value that is no text.
        """
        key, value = payload.get("key"), payload.get("value")
        if not isinstance(key, str) or not _KEY.match(key):
            raise HubError(
                400,
                f"`{key}` is no name for an environment variable: letters, digits, `_`, no digit first",
            )
        if not isinstance(value, str) or "\0" in value:
            raise HubError(400, f"`{key}` needs a `value` that is text")
        description = payload.get("description")
        return cls(key, value, description if isinstance(description, str) else None)


class Spaces:
    """Each Space's settings; a Space is known by its repository's uid, so a rename changes nothing here."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    # Life of a Space

    def configure_new(self, connection: sqlite3.Connection, repo: Repo, payload: Mapping[str, Any]) -> None:
        """
        Keep what the JSON of ``POST /api/repos/create`` says, inside the transaction that creates *repo*.

        Raises:
            HubError: 400, the payload makes no sense; nothing is created then.
        """
        flavor = _flavor(payload.get("hardware") or FREE_HARDWARE)
        connection.execute(
            "INSERT OR REPLACE INTO space_settings (uid, port, hardware, sleep_seconds, volumes)"
            " VALUES (?, ?, ?, ?, ?)",
            (
                repo.uid,
                self._free_port(connection),
                flavor,
                _seconds(payload.get("sleepTimeSeconds")),
                json.dumps(parse_volumes(payload.get("volumes") or [])),
            ),
        )
        for entry in _entries(payload, "variables"):
            self._put_variable(connection, repo, entry)
        for entry in _entries(payload, "secrets"):
            self._put_secret(connection, repo, entry)

    def configure_copy(
        self, connection: sqlite3.Connection, repo: Repo, original: Repo, payload: Mapping[str, Any]
    ) -> None:
        """Like `configure_new`; a duplicate also takes the *original*'s variables, never its secrets."""
        self.configure_new(connection, repo, payload)
        connection.execute(
            "INSERT OR IGNORE INTO space_variables (uid, key, value, description, updated)"
            " SELECT ?, key, value, description, ? FROM space_variables WHERE uid = ?",
            (repo.uid, now(), original.uid),
        )

    def forget(self, connection: sqlite3.Connection, repo: Repo) -> None:
        """Remove every setting of *repo*, inside the transaction that deletes it."""
        for table in ("space_settings", "space_variables", "space_secrets", "space_scale"):
            connection.execute(f"DELETE FROM {table} WHERE uid = ?", (repo.uid,))

    def renamed(self, repo_old: Repo, repo_new: Repo) -> None:
        """Nothing to do: settings belong to the uid, which a move keeps."""

    # What the runner reads

    def settings(self, repo: Repo) -> RunSettings:
        """Return everything the runner needs; the only place where secrets' values come out."""
        return replace(
            self.public_settings(repo),
            variables=self.variable_values(repo),
            secrets=self.secret_values(repo),
        )

    def environment(self, repo: Repo) -> dict[str, str]:
        """Return variables and secrets together, as the app's environment holds them."""
        return self.variable_values(repo) | self.secret_values(repo)

    def variable_values(self, repo: Repo) -> dict[str, str]:
        rows = self._database.rows("SELECT key, value FROM space_variables WHERE uid = ?", (repo.uid,))
        return {row["key"]: row["value"] for row in rows}

    def secret_values(self, repo: Repo) -> dict[str, str]:
        rows = self._database.rows("SELECT key, value FROM space_secrets WHERE uid = ?", (repo.uid,))
        return {row["key"]: self._keys.decrypt(row["value"]) for row in rows}

    def collisions(self, repo: Repo) -> list[str]:
        """Return the names that are both a variable and a secret; the Hub refuses to start such a Space."""
        rows = self._database.rows(
            "SELECT key FROM space_variables JOIN space_secrets USING (uid, key) WHERE uid = ? ORDER BY key",
            (repo.uid,),
        )
        return [row["key"] for row in rows]

    # Variables and secrets

    def variables(self, repo: Repo) -> list[sqlite3.Row]:
        """Return rows of ``key, value, description, updated``, by name."""
        return self._database.rows(
            "SELECT key, value, description, updated FROM space_variables WHERE uid = ? ORDER BY key",
            (repo.uid,),
        )

    def secrets(self, repo: Repo) -> list[sqlite3.Row]:
        """Return rows of ``key, description, updated``, by name; never a value."""
        return self._database.rows(
            "SELECT key, description, updated FROM space_secrets WHERE uid = ? ORDER BY key", (repo.uid,)
        )

    def set_variable(self, repo: Repo, entry: Entry) -> None:
        with self._database.write() as connection:
            self._put_variable(connection, repo, entry)

    def set_secret(self, repo: Repo, entry: Entry) -> None:
        with self._database.write() as connection:
            self._put_secret(connection, repo, entry)

    def delete_variable(self, repo: Repo, key: str) -> None:
        """Remove it if it is there."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM space_variables WHERE uid = ? AND key = ?", (repo.uid, key))

    def delete_secret(self, repo: Repo, key: str) -> None:
        """Remove it if it is there."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM space_secrets WHERE uid = ? AND key = ?", (repo.uid, key))

    # Hardware, sleep, pause, volumes

    def request_hardware(self, repo: Repo, flavor: object, sleep_seconds: object = None) -> None:
        """
        Ask for *flavor*; without *sleep_seconds* the sleep time starts from the flavour's default.

        Free hardware has one replica.

        Raises:
            HubError: 400, *flavor* is no text, or the seconds are no number.
        """
        asked = _flavor(flavor)
        with self._database.write() as connection:
            self._update(repo, hardware=asked, sleep_seconds=_seconds(sleep_seconds))
            if not hardware.is_paid(asked):
                connection.execute("DELETE FROM space_scale WHERE uid = ?", (repo.uid,))

    def set_replicas(self, repo: Repo, replicas: object) -> None:
        """
        Have *replicas* equal apps share the requests.

        Raises:
            HubError: 400, that is no number from 1 to `MOST_REPLICAS`, or the hardware is free; 501, they
                shall come and go by themselves.
        """
        count = _count(replicas)
        settings = self.public_settings(repo)
        if count > 1 and not settings.may_have_replicas:
            raise HubError(400, f"Only paid hardware has several replicas, and `{settings.hardware}` is free")
        with self._database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO space_scale VALUES (?, ?)", (repo.uid, count))

    def set_sleep(self, repo: Repo, seconds: object) -> None:
        """Sleep after *seconds* without a request; -1 is never. Free hardware keeps its 48 hours."""
        self._update(repo, sleep_seconds=_seconds(seconds))

    def set_paused(self, repo: Repo, *, paused: bool) -> None:
        self._update(repo, paused=int(paused))

    def set_volumes(self, repo: Repo, volumes: object) -> None:
        """
        Attach *volumes* in place of those there are.

        Raises:
            HubError: 400, one of them makes no sense, or two share a mount path.
        """
        self._update(repo, volumes=json.dumps(parse_volumes(volumes)))

    def delete_volumes(self, repo: Repo) -> None:
        """
        Detach all volumes.

        Raises:
            HubError: 400, none is attached.
        """
        if not self.public_settings(repo).volumes:
            raise HubError(400, "No volumes attached")
        self._update(repo, volumes="[]")

    def public_settings(self, repo: Repo) -> RunSettings:
        """Return the settings without variables and secrets: cheap, and safe to show."""
        row = self._row(repo)
        return RunSettings(
            hardware=row["hardware"],
            sleep_seconds=row["sleep_seconds"],
            replicas=row["replicas"],
            may_have_replicas=hardware.is_paid(row["hardware"]),
            paused=bool(row["paused"]),
            volumes=json.loads(row["volumes"]),
        )

    # Ports

    def port(self, repo: Repo) -> int:
        """Return the loopback port that belongs to *repo*, the same after every restart."""
        found: int | None = self._row(repo)["port"]
        if found is not None:
            return found
        with self._database.write() as connection:
            fresh = self._free_port(connection)
            connection.execute("UPDATE space_settings SET port = ? WHERE uid = ?", (fresh, repo.uid))
        return fresh

    def move_port(self, repo: Repo) -> int:
        """Give *repo* another port, because some other program took its own; return it."""
        self._update(repo, port=None)
        return self.port(repo)

    def _row(self, repo: Repo) -> sqlite3.Row:
        query = (
            "SELECT space_settings.*, COALESCE(space_scale.replicas, 1) AS replicas"
            " FROM space_settings LEFT JOIN space_scale USING (uid) WHERE uid = ?"
        )
        row = self._database.row(query, (repo.uid,))
        if row is None:  # a Space made by something older than this table
            with self._database.write() as connection:
                connection.execute("INSERT OR IGNORE INTO space_settings (uid) VALUES (?)", (repo.uid,))
            return self._row(repo)
        return row

    def _update(self, repo: Repo, **columns: object) -> None:
        self._row(repo)
        with self._database.write() as connection:
            for column, value in columns.items():
                connection.execute(f"UPDATE space_settings SET {column} = ? WHERE uid = ?", (value, repo.uid))

    def _put_variable(self, connection: sqlite3.Connection, repo: Repo, entry: Entry) -> None:
        connection.execute(
            "INSERT OR REPLACE INTO space_variables (uid, key, value, description, updated)"
            " VALUES (?, ?, ?, ?, ?)",
            (repo.uid, entry.key, entry.value, entry.description, now()),
        )

    def _put_secret(self, connection: sqlite3.Connection, repo: Repo, entry: Entry) -> None:
        connection.execute(
            "INSERT OR REPLACE INTO space_secrets (uid, key, value, description, updated)"
            " VALUES (?, ?, ?, ?, ?)",
            (repo.uid, entry.key, self._keys.encrypt(entry.value), entry.description, now()),
        )

    def _free_port(self, connection: sqlite3.Connection) -> int:
        taken = {row["port"] for row in connection.execute("SELECT port FROM space_settings")}
        for port in random.sample(_PORTS, len(_PORTS)):
            if port not in taken and _is_free(port):
                return port
        raise HubError(507, f"No loopback port from {_PORTS.start} to {_PORTS.stop - 1} is free")


def gc_timeout(settings: RunSettings) -> int | None:
    """Seconds without a request until the Space sleeps, as the runtime's JSON says it; None is never."""
    if settings.hardware == FREE_HARDWARE:
        return FREE_SLEEP_SECONDS
    if settings.sleep_seconds is None or settings.sleep_seconds < 0:
        return None
    return settings.sleep_seconds


def _entries(payload: Mapping[str, Any], word: str) -> list[Entry]:
    found = payload.get(word) or []
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise HubError(400, f"`{word}` is a list of objects with `key` and `value`")
    return [Entry.parse(item) for item in found]


def _flavor(flavor: object) -> str:
    # Any name is taken: the Hub adds flavours faster than clients learn of them.
    if not isinstance(flavor, str) or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,63}", flavor):
        raise HubError(400, f"`{flavor}` is no hardware flavor")
    return flavor


def _seconds(seconds: object) -> int | None:
    if seconds is None:
        return None
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int)
        or not (seconds == -1 or 0 < seconds < _NEVER)
    ):
        raise HubError(400, f"`{seconds}` is no sleep time; it is a number of seconds, or -1 for never")
    return seconds


def _count(replicas: object) -> int:
    if replicas == "auto":
        raise HubError(501, "The local Hub does not scale a Space by itself: give a number of replicas")
    if isinstance(replicas, bool) or not isinstance(replicas, int) or not 1 <= replicas <= MOST_REPLICAS:
        raise HubError(400, f"`{replicas}` is no number of replicas; it is from 1 to {MOST_REPLICAS}")
    return replicas


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
