"""Runs a program to its end, line by line, and takes it down with us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_LINE_END = re.compile(r"\r\n|\n|\r")


async def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    output: Callable[[str], None],
) -> int:
    """
    Run *command* in *folder* and return its exit code; each line it prints goes to *output*.

    When the caller is cancelled, the program and its children are killed before the cancellation goes on.
    """
    process = await asyncio.create_subprocess_exec(
        *tied(command),
        env=dict(environment),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
    try:
        await pump(process.stdout, output)
        return await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def tied(command: Sequence[str]) -> list[str]:
    """Return *command* such that it dies when the Hub is killed, where the system can do that."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--", *command] if setpriv else list(command)


async def pump(stream: asyncio.StreamReader, output: Callable[[str], None]) -> None:
    """Give each line of *stream* to *output* until it ends; ``\\r`` of a progress bar ends a line too."""
    rest = ""
    while chunk := await stream.read(65_536):
        *lines, rest = _LINE_END.split(rest + chunk.decode("utf-8", "replace"))
        text = "\n".join(line for line in lines if line or len(lines) < 50)
        if lines:
            output(text)
        if len(rest) > 65_536:
            output(rest)
            rest = ""
    if rest:
        output(rest)
