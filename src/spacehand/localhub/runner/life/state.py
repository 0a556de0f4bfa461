"""What is known of each Space's run, kept so that a killed Hub goes on where it was."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from spacehand.localhub.runner.life.record import ReplicaRecord
from spacehand.localhub.wire_time import now
from spacehand.stage import Stage

if TYPE_CHECKING:
    import sqlite3

    from spacehand.localhub.store.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS space_runs (uid TEXT PRIMARY KEY, state TEXT NOT NULL, updated TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS space_events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL,
    at TEXT NOT NULL,
    stage TEXT NOT NULL,
    sha TEXT,
    message TEXT
);
CREATE INDEX IF NOT EXISTS space_events_by_uid ON space_events (uid, number);
CREATE TABLE IF NOT EXISTS space_replicas (token TEXT PRIMARY KEY, uid TEXT NOT NULL, record TEXT NOT NULL)
"""
_KEPT_EVENTS = 1_000  # for each Space


@dataclass(frozen=True, slots=True)
class RunState:
    """A Space's run at one moment."""

    stage: Stage = Stage.NO_APP_FILE
    sha: str | None = None  # the commit that should run
    serving: str | None = None  # the commit that answers requests
    replicas: tuple[str, ...] = ()  # the apps that serve, or sleep
    built: str | None = None  # the last commit whose build succeeded
    error: str | None = None
    layer: str | None = None  # the environment that build made
    since: str | None = None  # when this stage began, of this commit
    sdk: str | None = None
    hardware: str | None = None  # in use
    fidelity: str | None = None
    differences: tuple[str, ...] = ()


class RunStates:
    """The table of run states, with every change of stage and every app that was started."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, uid: str) -> RunState:
        """Return the state kept for the Space *uid*, or that of one nobody pushed to yet."""
        row = self._database.row("SELECT state FROM space_runs WHERE uid = ?", (uid,))
        if row is None:
            return RunState()
        kept = json.loads(row["state"])
        kept["stage"] = Stage(kept["stage"])
        kept["differences"] = tuple(kept["differences"])
        one = kept.pop("replica", None)  # as it was written before there could be several
        kept["replicas"] = tuple(kept.get("replicas", [one] if one else ()))
        return RunState(**kept)

    def layers(self) -> set[str]:
        """Return the layers of all Spaces' last builds."""
        kept = [json.loads(row["state"]) for row in self._database.rows("SELECT state FROM space_runs")]
        return {state["layer"] for state in kept if state.get("layer")}

    def save(self, uid: str, state: RunState, *, event: bool) -> None:
        """Keep *state*; *event* also adds it to the Space's history of stages."""
        with self._database.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO space_runs (uid, state, updated) VALUES (?, ?, ?)",
                (uid, json.dumps(asdict(state)), now()),
            )
            if event:
                _add_event(connection, uid, state)

    def stages(self, uid: str) -> list[tuple[str, str]]:
        """Return every change of stage that is kept as ``(time, stage)``, oldest first."""
        rows = self._database.rows("SELECT at, stage FROM space_events WHERE uid = ? ORDER BY number", (uid,))
        return [(row["at"], row["stage"]) for row in rows]

    def forget(self, uid: str) -> None:
        """Remove all that is kept of a deleted Space."""
        with self._database.write() as connection:
            for table in ("space_runs", "space_events"):
                connection.execute(f"DELETE FROM {table} WHERE uid = ?", (uid,))

    def forget_others(self, uids: Collection[str]) -> None:
        """Remove all that is kept of any Space but *uids*."""
        for row in self._database.rows("SELECT uid FROM space_runs UNION SELECT uid FROM space_events"):
            if row["uid"] not in uids:
                self.forget(row["uid"])

    def started(self, uid: str, token: str, record: ReplicaRecord) -> None:
        """Remember an app, so that it is found again if the Hub is killed."""
        with self._database.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO space_replicas (token, uid, record) VALUES (?, ?, ?)",
                (token, uid, record.to_json()),
            )

    def ended(self, token: str) -> None:
        """Forget an app."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM space_replicas WHERE token = ?", (token,))

    def forget_replicas(self, but: Collection[str]) -> None:
        """Forget every app but those of these names."""
        for row in self._database.rows("SELECT token FROM space_replicas"):
            if row["token"] not in but:
                self.ended(row["token"])

    def replicas(self) -> list[tuple[str, str, ReplicaRecord]]:
        """Return ``(uid, token, record)`` of every app that was started and has not ended, oldest first."""
        found = []
        for row in self._database.rows("SELECT uid, token, record FROM space_replicas ORDER BY rowid"):
            with contextlib.suppress(ValueError):  # of another release: nobody here can adopt it
                found.append((row["uid"], row["token"], ReplicaRecord.from_json(row["record"])))
        return found


def _add_event(connection: sqlite3.Connection, uid: str, state: RunState) -> None:
    number = connection.execute(
        "INSERT INTO space_events (uid, at, stage, sha, message) VALUES (?, ?, ?, ?, ?)",
        (uid, now(), state.stage.value, state.serving or state.sha, state.error),
    ).lastrowid
    if number is not None and number % 100 == 0:
        connection.execute(
            "DELETE FROM space_events WHERE uid = ? AND number IN "
            "(SELECT number FROM space_events WHERE uid = ? ORDER BY number DESC LIMIT -1 OFFSET ?)",
            (uid, uid, _KEPT_EVENTS),
        )


def without_serving(stage: Stage) -> Stage:
    """Return what *stage* is called when no earlier commit answers meanwhile."""
    return {Stage.RUNNING_BUILDING: Stage.BUILDING, Stage.RUNNING_APP_STARTING: Stage.APP_STARTING}.get(
        stage, stage
    )
