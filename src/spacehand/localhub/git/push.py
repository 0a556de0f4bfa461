"""
The question that git asks in the middle of a push: may these branches move?

git puts the objects of a push aside, runs the hook ``pre-receive``, and only when that agrees lets the
objects in and moves the branches. The hook below hands the question to the Hub through one pipe and reads
the answer from another; if the Hub dies, the answer ends without a word, which is a no.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spacehand.localhub.git.rules import NOTHING, Inspection, Move, RefusedError

if TYPE_CHECKING:
    from spacehand.localhub.hub import LocalHub
    from spacehand.localhub.repos.store import Repo
    from spacehand.localhub.store.place import Place

_log = logging.getLogger(__name__)
_BRANCHES = "refs/heads/"
_HOOK = """\
#!/bin/sh
{ printf '%s\\n' "$GIT_OBJECT_DIRECTORY"; cat; echo; } >"/dev/fd/$SPACEHAND_QUESTION"
answer=$(cat "/dev/fd/$SPACEHAND_ANSWER")
[ "$answer" = yes ] && exit 0
printf '%s\\n' "${answer:-The Hub stopped before it could look at the push.}" >&2
exit 1
"""


@dataclass(slots=True)
class Push:
    """One push: the pipes to its hook, and what it asked for."""

    hub: LocalHub
    repo: Repo
    moves: list[Move] = field(default_factory=list)
    _question: tuple[int, int] = field(default_factory=os.pipe)  # read, write
    _answer: tuple[int, int] = field(default_factory=os.pipe)

    @property
    def inherited(self) -> tuple[int, int]:
        """The ends of the pipes that git and its hook hold."""
        return self._question[1], self._answer[0]

    @property
    def environment(self) -> dict[str, str]:
        question, answer = self.inherited
        return {"SPACEHAND_QUESTION": str(question), "SPACEHAND_ANSWER": str(answer)}

    def started(self) -> None:
        """Let go of git's ends: git has its own copies now."""
        for descriptor in self.inherited:
            os.close(descriptor)

    async def judge(self) -> None:
        """Wait for the question, which comes when all objects are here, and answer it."""
        reader = asyncio.StreamReader()
        pipe = os.fdopen(self._question[0], "rb", buffering=0)
        loop = asyncio.get_running_loop()
        transport, _protocol = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            quarantine = await _line(reader)  # empty when the push brings no objects
            lines = []
            while line := await _line(reader):
                lines.append(line)
        finally:
            transport.close()
        await asyncio.to_thread(self._reply, quarantine, lines)

    def announce(self) -> None:
        """Tell everybody about the branches that really moved."""
        git = self.hub.repos.git(self.repo)
        for move in self.moves:
            reference = git.references.get(move.ref) if move.ref.startswith(_BRANCHES) else None
            if move.new != NOTHING and reference is not None and str(reference.target) == move.new:
                self.hub.announce(self.repo, move.ref.removeprefix(_BRANCHES), move.new)

    def _reply(self, quarantine: str, lines: Sequence[str]) -> None:
        with os.fdopen(self._answer[1], "w", encoding="utf-8", errors="replace") as answer:
            if lines:  # else git refused the push before it came to the hook
                answer.write(self._verdict(quarantine, lines))

    def _verdict(self, quarantine: str, lines: Sequence[str]) -> str:
        self.moves = [Move.parse(line) for line in lines]
        try:
            objects = self.hub.repos.git_dir(self.repo) / "objects" / quarantine
            Inspection(self.hub, self.repo, objects).require_allowed(self.moves)
        except RefusedError as refused:
            return str(refused)
        except Exception:
            # Without a word the hook would say that the Hub has stopped, and the reason would be lost.
            _log.exception("looking at a push to %s", self.repo.id)
            return "The Hub failed while it looked at the push, and took nothing of it. Its log says why."
        return "yes"


async def _line(reader: asyncio.StreamReader) -> str:
    return (await reader.readline()).decode("utf-8", "surrogateescape").strip()


def hooks_folder(place: Place) -> str:
    """Return the folder that holds the hook, written anew when it is not there."""
    folder = place.incoming / "hooks"
    hook = folder / "pre-receive"
    if not hook.exists():
        folder.mkdir(exist_ok=True)
        fresh = folder / f"pre-receive.{uuid.uuid4().hex}"
        fresh.write_text(_HOOK)
        fresh.chmod(0o755)
        fresh.replace(hook)
    return str(folder)
