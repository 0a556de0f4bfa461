"""The Hub's end of what it says to the keeper of an app."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from spacehand.localhub.runner.engines._protocol import Output
from spacehand.localhub.runner.outlet import Nowhere

KEEPER = Path(__file__).resolve().parent / "keeper.py"
_LONGEST_MESSAGE = 4 * 1024 * 1024  # bytes
_HELLO_SECONDS = 10.0
_END_SECONDS = 5.0


class KeeperLink:
    """A connection to the keeper with the process id *pid*; *process* where this Hub started it."""

    def __init__(
        self,
        pid: int,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        process: asyncio.subprocess.Process | None = None,
    ) -> None:
        self.pid = pid
        self._reader, self._writer = streams
        self._process = process

    def say(self, message: Mapping[str, Any]) -> None:
        """Send *message*; a keeper that is gone hears none."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def follow(self, output: Output) -> int | None:
        """Give all that the app prints to *output* and return its exit code, None when the keeper is gone."""
        self.say({"behind": int(output.mark or 0)})
        code = None
        async for message in _messages(self._reader):
            for number, line in message.get("lines", ()):
                output(line, str(number))
                last = number
            if "lines" in message:
                self.say({"kept": last})
            if "exit" in message:
                code = int(message["exit"])
                self.say({"bye": True})
        return code

    async def close(self) -> None:
        """Hang up, and return once the keeper has ended."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        if self._process is not None:
            await self._process.wait()
            return
        await asyncio.to_thread(_wait_for_end, self.pid)


async def start(control: Path, order: Mapping[str, Any]) -> KeeperLink:
    """
    Start a keeper with *order*; it listens at *control*, in a folder that is closed to others.

    Raises:
        OSError: the system refuses.
    """
    with _listening(control) as listener:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(KEEPER)),
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            cwd="/",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(listener.fileno(), *order["keep_open"]),
            start_new_session=True,
        )
        assert process.stdin is not None  # noqa: S101 - a pipe
        process.stdin.write(json.dumps({**order, "control": listener.fileno()}).encode() + b"\n")
    found = None
    try:
        found = await find(control, process)
    finally:
        if found is None:  # or we are cancelled: its relay ends the app with it
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    if found is None:
        await process.wait()
        raise OSError(f"The keeper of {control} did not come up")
    return found


async def find(control: Path, process: asyncio.subprocess.Process | None = None) -> KeeperLink | None:
    """Return a connection to the keeper that listens at *control*, None when there is none."""
    try:
        with _short(control) as path:
            streams = await asyncio.open_unix_connection(path, limit=_LONGEST_MESSAGE)
    except OSError:
        return None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_HELLO_SECONDS):
            async for hello in _messages(streams[0]):
                return KeeperLink(hello["keeper"], streams, process)
    streams[1].close()
    return None


async def end(control: Path) -> None:
    """Kill the app, if any, whose keeper listens at *control*; its output is for nobody."""
    link = await find(control)
    if link is not None:
        link.say({"kill": True})
        await link.follow(Nowhere())
        await link.close()
    await asyncio.to_thread(control.unlink, missing_ok=True)


def _wait_for_end(pid: int) -> None:
    with contextlib.suppress(psutil.Error):
        psutil.Process(pid).wait(_END_SECONDS)


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[dict[str, Any]]:
    with contextlib.suppress(OSError):  # a reset connection is an end as well
        while (line := await reader.readline()).endswith(b"\n"):
            yield json.loads(line)


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.closing(listener), _short(path) as name:
        listener.bind(name)
        path.chmod(0o600)
        listener.listen(8)
        yield listener


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Yield *path* as a name that fits into an address: those hold 107 bytes at most."""
    folder = os.open(path.parent, os.O_RDONLY)
    own = Path("/proc/self/fd", str(folder))
    try:
        yield str(own / path.name if own.exists() else path)
    finally:
        os.close(folder)
