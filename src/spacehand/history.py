"""
What was seen and done before: stage intervals, prices, releases; one sqlite file.

Everything is keyed by (endpoint, Space), so one file serves the local Hub and huggingface.co. Times are
unix seconds here and ISO 8601 in UTC in what is exported.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spacehand.errors import ConfigError
from spacehand.home import home
from spacehand.ids import RepoId
from spacehand.stage import Stage

FILE_NAME = "history.sqlite"
HEALTHY = "healthy"
RELEASE_SCHEMA = "spacehand.release/1"

_TABLES = """
CREATE TABLE IF NOT EXISTS stages (
    endpoint TEXT NOT NULL, space TEXT NOT NULL, stage TEXT NOT NULL, revision TEXT, hardware TEXT,
    replicas INTEGER NOT NULL, started REAL NOT NULL, ended REAL NOT NULL);
CREATE INDEX IF NOT EXISTS stages_by_space ON stages (endpoint, space, started);
CREATE TABLE IF NOT EXISTS prices (
    endpoint TEXT NOT NULL, flavor TEXT NOT NULL, usd_per_hour REAL NOT NULL, seen REAL NOT NULL,
    PRIMARY KEY (endpoint, flavor, seen));
CREATE TABLE IF NOT EXISTS releases (
    endpoint TEXT NOT NULL, space TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (endpoint, space, number));
"""


@dataclass(frozen=True, slots=True)
class SpaceKey:
    """One Space on one Hub."""

    endpoint: str  # without a trailing slash
    space: RepoId


@dataclass(frozen=True, slots=True)
class StageInterval:
    """A stretch of time through which a Space was seen in one stage, at one commit, on one hardware."""

    stage: Stage
    revision: str | None
    hardware: str | None
    replicas: int
    started: float
    ended: float  # when it was last seen so

    @property
    def seconds(self) -> float:
        """How long it lasted, as far as anybody looked."""
        return self.ended - self.started


@dataclass(frozen=True, slots=True)
class Release:
    """
    One deploy as it went live: all that a rollback has to restore.

    Secrets are names only. *result* is ``healthy``, ``deploying`` while nobody knows yet, or the reason why
    it is not; *number* is given by the History that keeps it.
    """

    endpoint: str
    space: str
    revision: str
    variables: Mapping[str, str] = field(default_factory=dict)
    secret_names: Sequence[str] = ()
    hardware: str | None = None
    sleep: int | None = None  # seconds, -1 for never
    replicas: int | None = None  # None: as it was
    volumes: Sequence[Mapping[str, Any]] = ()
    adopted: Sequence[str] = ()  # `file:PATH`, `variable:NAME`: changes made elsewhere that were kept
    result: str = HEALTHY
    by: str = ""
    at: str = ""  # ISO 8601, UTC
    number: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the ``release`` object that commands print."""
        return asdict(self) | {
            "secret_names": list(self.secret_names),
            "adopted": list(self.adopted),
            "volumes": [dict(v) for v in self.volumes],
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Release:
        """Return the release that *body* describes; keys of a later version are ignored."""
        return cls(**{name: body[name] for name in cls.__slots__ if name in body})


class History:
    """The memory of the tool; safe to use from several processes at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(path, timeout=30) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_TABLES)
        connection.close()

    @classmethod
    def default(cls) -> History:
        """Return the history in the tool's own data folder."""
        return cls(home() / FILE_NAME)

    def see_stage(
        self,
        key: SpaceKey,
        stage: Stage,
        *,
        at: float,
        revision: str | None = None,
        hardware: str | None = None,
        replicas: int = 1,
    ) -> None:
        """
        Note that the Space was in *stage* at *at*.

        The same stage, commit, hardware and replicas as before lengthen the last interval; anything else
        ends it there and begins a new one. Nobody looked for a quarter of an hour: that time stays a gap.
        """
        seen = (stage.value, revision, hardware, replicas)
        with self._connection() as connection:
            last = connection.execute(
                "SELECT rowid, stage, revision, hardware, replicas FROM stages"
                " WHERE endpoint=? AND space=? AND ended >= ? ORDER BY started DESC, rowid DESC LIMIT 1",
                (key.endpoint, str(key.space), at - _LONGEST_BLINK),
            ).fetchone()
            if last is not None:
                connection.execute("UPDATE stages SET ended=max(ended, ?) WHERE rowid=?", (at, last[0]))
            if last is None or tuple(last[1:]) != seen:
                connection.execute(
                    "INSERT INTO stages VALUES (?,?,?,?,?,?,?,?)",
                    (key.endpoint, str(key.space), *seen, at, at),
                )

    def stage_intervals(self, key: SpaceKey, *, since: float = 0.0) -> list[StageInterval]:
        """Return what was observed, oldest first, of intervals that ended after *since*."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT stage, revision, hardware, replicas, started, ended FROM stages"
                " WHERE endpoint=? AND space=? AND ended >= ? ORDER BY started, rowid",
                (key.endpoint, str(key.space), since),
            ).fetchall()
        return [StageInterval(Stage(stage), *rest) for stage, *rest in rows]

    def usual_seconds(self, key: SpaceKey, stage: Stage) -> float | None:
        """
        Return the median time the Space spent in *stage* before, None when it never was.

        A stage seen at a single look has no length that anybody knows: less than a second does not count.
        """
        lengths = sorted(i.seconds for i in self.stage_intervals(key) if i.stage is stage and i.seconds >= 1)
        return lengths[len(lengths) // 2] if lengths else None

    def see_prices(self, endpoint: str, usd_per_hour: Mapping[str, float], *, at: float) -> None:
        """Note the prices shown at *at*; only changed ones take room."""
        known = self.prices(endpoint, at=at)
        changed = {name: price for name, price in usd_per_hour.items() if known.get(name) != price}
        with self._connection() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO prices VALUES (?,?,?,?)",
                [(endpoint, name, price, at) for name, price in changed.items()],
            )

    def prices(self, endpoint: str, *, at: float) -> dict[str, float]:
        """Return US dollars an hour by flavor as last seen before *at*; of later ones, the first seen."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT flavor, usd_per_hour, seen FROM prices WHERE endpoint=? ORDER BY seen", (endpoint,)
            ).fetchall()
        prices: dict[str, float] = {}
        for flavor, price, seen in rows:
            if seen <= at or flavor not in prices:
                prices[flavor] = price
        return prices

    def add_release(self, release: Release, *, at: float) -> Release:
        """Keep *release* and return it with its number and time."""
        with self._connection() as connection:
            (last,) = connection.execute(
                "SELECT coalesce(max(number), 0) FROM releases WHERE endpoint=? AND space=?",
                (release.endpoint, release.space),
            ).fetchone()
            when = release.at or _iso(at)
            kept = Release.from_json(release.to_json() | {"number": last + 1, "at": when})
            self._insert(connection, kept)
        return kept

    def settle_release(self, release: Release, result: str) -> Release:
        """Write down how *release* ended, and return it so."""
        settled = Release.from_json(release.to_json() | {"result": result})
        with self._connection() as connection:
            connection.execute(
                "UPDATE releases SET body=? WHERE endpoint=? AND space=? AND number=?",
                (json.dumps(settled.to_json()), release.endpoint, release.space, release.number),
            )
        return settled

    def releases(self, key: SpaceKey) -> list[Release]:
        """Return all releases of the Space, oldest first."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT body FROM releases WHERE endpoint=? AND space=? ORDER BY number",
                (key.endpoint, str(key.space)),
            ).fetchall()
        return [Release.from_json(json.loads(body)) for (body,) in rows]

    def last_release(self, key: SpaceKey) -> Release | None:
        """Return the newest release, however it ended: the state that was left behind."""
        return next(reversed(self.releases(key)), None)

    def last_healthy(self, key: SpaceKey) -> Release | None:
        """Return the newest release that proved itself: what a rollback goes back to."""
        return next((r for r in reversed(self.releases(key)) if r.result == HEALTHY), None)

    def export_releases(self, key: SpaceKey, path: Path) -> None:
        """Write the Space's releases to *path*, for a machine without this history (CI)."""
        body = {"schema": RELEASE_SCHEMA, "releases": [r.to_json() for r in self.releases(key)]}
        path.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")

    def import_releases(self, path: Path) -> int:
        """
        Take over what :meth:`export_releases` wrote, and return how many releases were new.

        Raises:
            ConfigError: *path* holds something else.
        """
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            releases = [Release.from_json(item) for item in body["releases"]]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError("This is no release file of spacehand", where=str(path)) from error
        with self._connection() as connection:
            return sum(self._insert(connection, release) for release in releases)

    def _insert(self, connection: sqlite3.Connection, release: Release) -> int:
        return connection.execute(
            "INSERT OR IGNORE INTO releases VALUES (?,?,?,?,?)",
            (release.endpoint, release.space, release.number, release.at, json.dumps(release.to_json())),
        ).rowcount

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """One transaction; a connection each, so that threads and processes may call freely."""
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            # At once the only writer: what is read in here still holds when the write depends on it.
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield connection
        finally:
            connection.close()


# Two looks further apart than this are no proof of what was in between: a gap stays a gap.
_LONGEST_BLINK = 900.0  # seconds


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
