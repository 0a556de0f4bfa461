"""One request of the git protocol: the body streams into git, what git says streams back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import zlib
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from spacehand.localhub.errors import HubError

_BLOCK = 256 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class GitCall:
    """A git process to run; *inherited* file descriptors stay open in it."""

    command: Sequence[str]
    environment: Mapping[str, str]
    inherited: Sequence[int] = ()

    async def start(self, *, stdin: int = DEVNULL) -> Process:
        return await asyncio.create_subprocess_exec(
            *self.command,
            env=dict(self.environment),
            stdin=stdin,
            stdout=PIPE,
            pass_fds=tuple(self.inherited),
            start_new_session=True,  # its children go with it
            limit=_BLOCK,
        )


async def output(call: GitCall) -> bytes:
    """
    Return all that the process says, for short things.

    Raises:
        HubError: 500, git failed; why is in the server's log.
    """
    process = await call.start()
    said, _nothing = await process.communicate()
    if process.returncode:
        raise HubError(500, f"git ended with {process.returncode}")
    return said


async def _nothing_more() -> None:
    pass


@dataclass(slots=True)
class Exchange(Response):
    """
    The answer to a POST of the git protocol.

    *started* runs once the process is there, *finished* when it has ended, before the client is told.
    """

    call: GitCall
    kind: str  # content type
    started: Callable[[], None] = field(default=lambda: None)
    finished: Callable[[], Awaitable[None]] = field(default=_nothing_more)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            process = await self.call.start(stdin=PIPE)
        finally:
            self.started()
        feeding = asyncio.create_task(_feed(process, Request(scope, receive)))
        try:
            headers = [(b"content-type", self.kind.encode()), (b"cache-control", b"no-cache")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            while block := await process.stdout.read(_BLOCK):
                await send({"type": "http.response.body", "body": block, "more_body": True})
            await process.wait()
            await self.finished()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            feeding.cancel()
            _end(process)


async def _feed(process: Process, request: Request) -> None:
    """Hand the request's body to git; when the client leaves in the middle, git ends too."""
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    try:
        async for block in _plain_body(request):
            process.stdin.write(block)
            await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass  # git has read enough and said why
    except (ClientDisconnect, zlib.error):
        _end(process)
    finally:
        process.stdin.close()


async def _plain_body(request: Request) -> AsyncIterator[bytes]:
    """Yield the body; git compresses long lists of commits."""
    if request.headers.get("content-encoding") not in ("gzip", "x-gzip"):
        async for block in request.stream():
            yield block
        return
    unzip = zlib.decompressobj(wbits=31)
    async for block in request.stream():
        rest = block
        while rest:
            # A small body may unpack to a very large one: never more than a block of it is in memory.
            yield unzip.decompress(rest, _BLOCK)
            rest = unzip.unconsumed_tail
    yield unzip.flush()


def _end(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
