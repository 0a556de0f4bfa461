"""A Space's build and run logs: append-only files that outlive the Hub, replayed to everyone who asks."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from spacehand.localhub.runner.bell import Bell
from spacehand.localhub.wire_time import now as wire_now

# One log keeps between one and two times this; beyond it the oldest lines go.
_LIMIT = 4 * 1024 * 1024
_LONGEST_LINE = 16_384  # characters


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line as the Hub's log stream sends it; *timestamp* is ``YYYY-MM-DDTHH:MM:SS.mmmZ``."""

    data: str  # ends with a newline
    timestamp: str


class SpaceLog:
    """
    The log of one build, or of one run of the app, in ``<folder>/<kind>.jsonl``.

    `begin` starts the log anew and keeps the one before as ``<kind>.previous.jsonl``. Writing is safe from
    any thread; a line is handed to the system before `write` returns.
    """

    def __init__(
        self, folder: Path, kind: str, *, limit: int = _LIMIT, now: Callable[[], str] = wire_now
    ) -> None:
        self._path = folder / f"{kind}.jsonl"
        self._older = folder / f"{kind}.older.jsonl"
        self._previous = folder / f"{kind}.previous.jsonl"
        self._limit = limit
        self._now = now
        self._lock = threading.Lock()
        self._bell = Bell()
        self._file: TextIO | None = None
        self._size = 0
        self._number = 0  # counts `begin`s, so that a follower notices one
        self._turned = 0  # counts how often the file was turned over since then

    def begin(self) -> None:
        """Start anew; whoever follows goes on with the new lines."""
        with self._lock:
            self._close()
            self._older.unlink(missing_ok=True)
            if self._path.exists():
                self._path.replace(self._previous)
            self._number += 1
            self._turned = 0
        self._bell.ring()

    def write(self, text: str, *, source: str = "", mark: str = "") -> None:
        """Append *text*, each line of it as an entry of its own; the last one carries *mark* of *source*."""
        moment = self._now()
        entries = [
            {"data": line[at : at + _LONGEST_LINE] + "\n", "timestamp": moment}
            for line in text.splitlines() or [""]
            for at in range(0, max(len(line), 1), _LONGEST_LINE)
        ]
        if mark:
            entries[-1] |= {"source": source, "mark": mark}
        with self._lock:
            self._append("".join(json.dumps(entry, ensure_ascii=True) + "\n" for entry in entries))
        self._bell.ring()

    def mark(self, source: str) -> str:
        """Return the last mark of *source*, also one from before `begin`; empty when there is none."""
        with self._lock:
            self._flush()
            for path in (self._path, self._older, self._previous):
                for entry in reversed(_raw(path, 0)[0]):
                    if entry.get("source") == source:
                        return str(entry["mark"])
        return ""

    def lines(self) -> list[LogEntry]:
        """Return all that is kept, oldest first."""
        with self._lock:
            self._flush()
            return _entries(self._older, 0)[0] + _entries(self._path, 0)[0]

    def tail(self, count: int) -> str:
        """Return the last *count* lines as one text."""
        return "".join(entry.data for entry in self.lines()[-count:])

    async def follow(self) -> AsyncIterator[LogEntry]:
        """Yield all that is kept, then each new line for as long as the caller listens."""
        at = _At(-1, 0, 0)
        while True:
            news = self._bell.listen()
            try:
                entries, at = self._since(at)
                for entry in entries:
                    yield entry
                if not entries:
                    await news
            finally:
                self._bell.forget(news)

    def close(self) -> None:
        """Give the file back; the next `write` opens it again."""
        with self._lock:
            self._close()

    def _since(self, at: _At) -> tuple[list[LogEntry], _At]:
        with self._lock:
            self._flush()
            behind = self._turned - at.turned
            if at.number != self._number or behind > 1:
                older, _ = _entries(self._older, 0)
                newer, end = _entries(self._path, 0)
            elif (
                behind == 1
            ):  # turned over since we looked: what we had not read yet is now in the older file
                older, _ = _entries(self._older, at.offset)
                newer, end = _entries(self._path, 0)
            else:
                older = []
                newer, end = _entries(self._path, at.offset)
            return older + newer, _At(self._number, self._turned, end)

    def _append(self, text: str) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="ascii")
            self._size = self._file.tell()
            if self._size and not _ends_with_newline(self._path):
                text = f"\n{text}"  # the Hub was killed in the middle of a line
        self._file.write(text)
        self._file.flush()
        self._size += len(text)
        if self._size > self._limit:
            self._close()
            self._path.replace(self._older)
            self._turned += 1

    def _flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclass(frozen=True, slots=True)
class _At:
    """How far a follower has read."""

    number: int
    turned: int
    offset: int


def _entries(path: Path, offset: int) -> tuple[list[LogEntry], int]:
    """Return the entries of *path* from byte *offset* on, and the offset after the last whole line."""
    entries, end = _raw(path, offset)
    return [LogEntry(entry["data"], entry["timestamp"]) for entry in entries], end


def _raw(path: Path, offset: int) -> tuple[list[dict[str, str]], int]:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read()
    except FileNotFoundError:
        return [], 0
    whole = content[: content.rfind(b"\n") + 1]
    entries = []
    for line in whole.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # half a line, left by a kill; the next one begins on a line of its own
        if isinstance(entry, dict) and {"data", "timestamp"} <= entry.keys():
            entries.append(entry)
    return entries, offset + len(whole)


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"
