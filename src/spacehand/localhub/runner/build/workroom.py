"""Where the installer works: on this machine with wheels alone, or shut in with whatever has to be built."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spacehand.localhub.runner import command

_LARGEST_TEXT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Workroom:
    """A folder, and a way to run uv in it."""

    folder: Path
    uv: str  # as the room sees it
    venv: str  # the Python of the environment that is filled, as the room sees it
    environment: Mapping[str, str] = field(repr=False)
    frame: tuple[str, ...] = ()  # the sandbox's command line, which uv's is appended to
    options: tuple[str, ...] = ()  # for each solve and each installation

    async def run(self, *arguments: str, output: Callable[[str], None]) -> int:
        """Run ``uv`` with *arguments* in the folder and return its exit code."""
        return await command.run(
            [*self.frame, self.uv, "--no-progress", "--color", "never", *arguments],
            environment=self.environment,
            folder=self.folder,
            output=output,
        )

    async def pip(self, what: str, *arguments: str, output: Callable[[str], None]) -> int:
        """Run ``uv pip WHAT`` with *arguments* and the room's own options."""
        # uv has no variable of its own for this setting of pip's.
        places = ("--no-index",) if self.environment.get("UV_NO_INDEX") else ()
        return await self.run("pip", what, *arguments, *self.options, *places, output=output)

    def read(self, name: str) -> str:
        """
        Return the text of the file *name*, which a stranger may have written.

        Raises:
            OSError: it is not there, or no ordinary file: a link could lead out of the room.
        """
        descriptor = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(f"`{name}` is no file")
            return file.read(_LARGEST_TEXT).decode("utf-8", "replace")
