"""The Hub's one sqlite database."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class Database:
    """
    A sqlite file in WAL mode: any number of readers, one writer at a time, safe against ``kill -9``.

    Each resource's store passes its own *schema* (``CREATE TABLE IF NOT EXISTS …``).
    Rows come back as `sqlite3.Row`.
    """

    def __init__(self, path: Path, schemas: Iterable[str] = ()) -> None:
        self._path = path
        self._local = threading.local()
        self._writing = threading.RLock()
        self.generation = 0  # changes with each commit: what was read in this one is still so
        with self.write() as connection:
            for schema in schemas:
                for statement in schema.split(";"):
                    if statement.strip():
                        connection.execute(statement)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """
        Hold the write lock; commit at the end, or undo everything if an exception leaves the block.

        Blocks of the same thread may nest: the outermost commits.
        """
        with self._writing:
            connection = self._connection()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            self.generation += 1

    @property
    def is_changing(self) -> bool:
        """This thread is in the middle of a change: it sees what others do not, and what may be undone."""
        return self._connection().in_transaction

    def rows(self, query: str, parameters: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """Return all rows of a SELECT."""
        return self._connection().execute(query, parameters).fetchall()

    def row(self, query: str, parameters: tuple[object, ...] = ()) -> sqlite3.Row | None:
        """Return the first row of a SELECT, or None."""
        found: sqlite3.Row | None = self._connection().execute(query, parameters).fetchone()
        return found

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self._path, isolation_level=None, timeout=30, check_same_thread=False
            )
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._local.connection = connection
        return connection
