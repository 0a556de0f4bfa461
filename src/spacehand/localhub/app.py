"""The local Hub over HTTP: one table of routes, and what surrounds every answer."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, cast

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from spacehand.localhub.accounts.routes import routes as accounts
from spacehand.localhub.buckets.routes import routes as buckets
from spacehand.localhub.commits.routes import routes as commits
from spacehand.localhub.errors import HubError
from spacehand.localhub.faults.routes import routes as faults
from spacehand.localhub.files.routes import routes as files
from spacehand.localhub.git.routes import routes as git
from spacehand.localhub.lfs.routes import routes as lfs
from spacehand.localhub.metadata.routes import routes as metadata
from spacehand.localhub.pages.routes import routes as pages
from spacehand.localhub.refs.routes import routes as refs
from spacehand.localhub.repos.routes import routes as repos
from spacehand.localhub.spaces.routes import routes as spaces
from spacehand.localhub.unknown import unknown_route
from spacehand.localhub.xet.routes import routes as xet

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from spacehand.localhub.hub import LocalHub

# The first that matches answers; within one resource, the special before the general.
TABLE: list[BaseRoute] = [
    *accounts,
    *metadata,
    *faults,
    *spaces,
    *buckets,
    *repos,
    *refs,
    *commits,
    *files,
    *git,
    *lfs,
    *xet,
    *pages,
]
_STREAM = "spacehand.stream"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def create_app(hub: LocalHub) -> Front:
    """Return the ASGI application of *hub*: what every request passes first, then the table of routes."""
    app = Starlette(
        routes=[*TABLE, Route("/{path:path}", unknown_route, methods=METHODS)],
        exception_handlers={
            HubError: refuse,
            ClientDisconnect: gone,
            OSError: disk_full,
            sqlite3.OperationalError: disk_full,
            500: broken,
        },
        lifespan=life,
    )
    app.state.hub = hub
    app.router.redirect_slashes = False
    return Front(app, hub)


@asynccontextmanager
async def life(app: Starlette) -> AsyncIterator[None]:
    """Run the Spaces for as long as the server runs."""
    hub: LocalHub = app.state.hub
    await hub.start()
    yield
    await hub.stop()


class Front:
    """What every request passes first; Spaces' own host names leave for the gateway here."""

    def __init__(self, app: ASGIApp, hub: LocalHub) -> None:
        self._app = app
        self._hub = hub
        self._streams: set[asyncio.Task[Any]] = set()  # requests whose answer ends when the Hub does

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        host = host_name(headers.get(b"host", b"").decode("latin-1"))
        if host.endswith(".localhost"):
            await self._hub.gateway(scope, receive, send)
            return
        # Path parameters may hold %2F, so routes are matched on the path as it was sent.
        raw = scope.get("raw_path") or scope["path"].encode()
        scope["path"] = raw.partition(b"?")[0].decode("latin-1")
        answer = _Answer(scope, send, request_id(headers), self._streams)
        try:
            await self._answering(host, scope["path"])(scope, receive, answer)
        except asyncio.CancelledError:
            if not answer.is_stream:
                raise
            await send({"type": "http.response.body", "body": b""})
        finally:
            answer.end()

    def _answering(self, host: str, path: str) -> ASGIApp:
        if host not in self._hub.hosts:
            return _misdirected(host)
        error = self._hub.faults.refusal(path)
        return self._app if error is None else refusal(error)

    def end_streams(self) -> None:
        """
        End the answers that follow logs and events, which no client ends by itself.

        One that ends in order is over for good; a server that may be back hangs up on them: see `is_stream`.
        """
        for task in self._streams:
            task.cancel()


def is_stream(scope: Scope) -> bool:
    """Whether the answer to the request in *scope* has begun and is an event stream."""
    return bool(scope.get(_STREAM))


def host_name(header: str) -> str:
    """Return the name in a Host header, lower case and without the port."""
    if header.startswith("["):
        return header.partition("]")[0].lower() + "]"
    return header.partition(":")[0].lower()


def request_id(headers: dict[bytes, bytes]) -> bytes:
    """Return the id that the client gave its request, or a fresh one."""
    given = headers.get(b"x-request-id") or headers.get(b"x-amzn-trace-id")
    return given or f"Root=1-{uuid.uuid4()}".encode()


class _Answer:
    """An answer on its way out: stamped, and remembered while it is an event stream."""

    def __init__(self, scope: Scope, send: Send, identity: bytes, streams: set[asyncio.Task[Any]]) -> None:
        self._scope = scope
        self._send = send
        self._identity = identity
        self._streams = streams
        self._task = asyncio.current_task()

    @property
    def is_stream(self) -> bool:
        return self._task in self._streams

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            # The server's own Date is up to a second old; `hf spaces logs` compares it with log lines.
            stamps = [(b"date", formatdate(usegmt=True).encode()), (b"x-request-id", self._identity)]
            message["headers"] = [*message.get("headers", ()), *stamps]
            kind = next((value for name, value in message["headers"] if name == b"content-type"), b"")
            if kind.startswith(b"text/event-stream") and self._task is not None:
                self._streams.add(self._task)
                self._scope[_STREAM] = True
        await self._send(message)

    def end(self) -> None:
        if self._task is not None:
            self._streams.discard(self._task)


def _misdirected(host: str) -> Response:
    # A page on another site may point its own name at 127.0.0.1 and read what the Hub answers.
    return refusal(HubError(421, f"This Hub does not answer to the name `{host[:80]}`"))


def refusal(error: HubError) -> JSONResponse:
    """Return *error* as the official client expects it."""
    headers = {"X-Error-Message": error.in_header}
    if error.code:
        headers["X-Error-Code"] = error.code
    return JSONResponse({"error": error.message, **error.body}, error.status, headers | error.headers)


async def refuse(_request: Request, error: Exception) -> Response:
    """Answer a `HubError`."""
    return refusal(cast("HubError", error))


async def gone(_request: Request, _error: Exception) -> Response:
    """Answer nobody: the client went away in the middle of its own request."""
    return Response(status_code=400)


async def disk_full(_request: Request, error: Exception) -> Response:
    """Answer that there is no room; any other error of the system is a fault of ours."""
    full = getattr(error, "errno", None) == errno.ENOSPC or "is full" in str(error)
    if not full:
        raise error
    return refusal(HubError(507, "No space left on device"))


async def broken(_request: Request, _error: Exception) -> Response:
    """Answer a fault of ours; the traceback goes to the server's log."""
    return refusal(HubError(500, "The local Hub has a fault; its log says more"))
