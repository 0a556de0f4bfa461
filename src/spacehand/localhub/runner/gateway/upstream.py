"""Passes requests on to an app and its answers back, byte by byte, without ever holding a whole body."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from spacehand.localhub.runner.gateway.connection import AppLeftError, Connection
from spacehand.localhub.runner.gateway.forwarding import AppUnreachableError, answer_headers, is_repeatable
from spacehand.localhub.runner.gateway.websocket import WebSockets

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from spacehand.localhub.runner.address import PortAddress, SocketAddress
    from spacehand.localhub.runner.gateway.forwarding import Passage

# Seconds that an idle connection to the app is kept: less than any server's own limit (gunicorn: 2), so that
# a request is hardly ever written to a connection that the app is just closing.
_KEEP_ALIVE = 1.0
# Most answers are there before it pays to look whether their caller still waits.
_UNWATCHED_SECONDS = 0.05


class Upstream:
    """One app's address and the connections to it."""

    def __init__(self, address: SocketAddress | PortAddress) -> None:
        self._address = address
        self._idle: deque[tuple[float, Connection]] = deque()  # since when, the oldest first
        self._busy: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._websockets = WebSockets(address)

    async def close(self) -> None:
        """Close the connections; requests under way end."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for connection in [connection for _, connection in self._idle] + list(self._busy):
            connection.abort()
        self._idle.clear()
        await self._websockets.close()

    async def http(self, scope: Scope, receive: Receive, send: Send, passage: Passage) -> None:
        """
        Pass one request on and its answer back, both as streams.

        Raises:
            AppUnreachableError: before anything was sent.
            AppLeftError: the app ended the connection before it answered.
        """
        exchange = _Exchange(scope, receive, send, passage)
        kept = self._kept()
        if kept is not None:
            try:
                await self._over(kept, exchange)
            except AppLeftError:
                # It was closing in the moment in which it was written to: nobody has read that.
                if kept.has_answered or not is_repeatable(scope):
                    raise
            else:
                return
        try:
            fresh = await Connection.to(self._address)
        except OSError as error:
            raise AppUnreachableError(str(error)) from error
        await self._over(fresh, exchange)

    async def websocket(self, scope: Scope, receive: Receive, send: Send, passage: Passage) -> None:
        """
        Pass a WebSocket both ways, with its subprotocols, until one side closes it.

        Raises:
            AppUnreachableError: before the handshake was answered.
        """
        await self._websockets.join(scope, receive, send, passage)

    async def _over(self, connection: Connection, exchange: _Exchange) -> None:
        self._busy.add(connection)
        try:
            await exchange.over(connection)
        finally:
            if exchange.is_complete and connection.is_reusable:
                self._keep(connection)
            else:
                # The app must see the connection close before its replica counts as idle.
                await connection.close()
            self._busy.discard(connection)

    def _kept(self) -> Connection | None:
        """Return the connection that was used last, if it is still good."""
        oldest = asyncio.get_running_loop().time() - _KEEP_ALIVE
        while self._idle:
            since, connection = self._idle.pop()
            if since > oldest and connection.is_open:
                return connection
            connection.abort()
        return None

    def _keep(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        self._idle.append((loop.time(), connection))
        if self._sweeping is None:
            self._sweeping = loop.call_later(_KEEP_ALIVE, self._sweep)

    def _sweep(self) -> None:
        """Hang up where nothing was asked for long, and come back while there are others."""
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0][0] <= loop.time() - _KEEP_ALIVE:
            self._idle.popleft()[1].abort()
        self._sweeping = loop.call_later(_KEEP_ALIVE, self._sweep) if self._idle else None


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, passage: Passage) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._passage = passage
        headers = dict(scope["headers"])
        self._is_chunked = b"transfer-encoding" in headers
        self._has_body = self._is_chunked or b"content-length" in headers
        self._body_read = asyncio.Event()
        self._caller_left = False
        self.is_complete = False  # the request was sent and the answer read, both to their ends

    async def over(self, connection: Connection) -> None:
        """
        Do it over *connection*.

        Raises:
            AppLeftError: the app ended it before it answered.
        """
        connection.ask(self._scope["method"], self._head())
        loop = asyncio.get_running_loop()
        tasks: list[asyncio.Task[None]] = []
        if self._has_body:
            tasks.append(loop.create_task(self._pour(connection)))
        else:
            self._body_read.set()
        watching = loop.call_later(
            _UNWATCHED_SECONDS, lambda: tasks.append(loop.create_task(self._watch(connection)))
        )
        try:
            await self._answer(connection)
        finally:
            watching.cancel()
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, connection: Connection) -> None:
        try:
            status, raw = await connection.head()
        except AppLeftError:
            if self._caller_left:
                return
            raise
        headers = answer_headers(raw, self._passage)
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        more = True
        while more:
            try:
                part, more = await connection.part()
            except AppLeftError:
                return  # in the middle of its answer: the server hangs up on the caller, who can see it so
            await self._send({"type": "http.response.body", "body": part, "more_body": more})
        self.is_complete = self._body_read.is_set()

    async def _pour(self, connection: Connection) -> None:
        """Send the body as it comes, no faster than the app takes it."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._leave(connection)
                return
            more = message.get("more_body", False)
            if body := message.get("body"):
                connection.write(b"%x\r\n%b\r\n" % (len(body), body) if self._is_chunked else body)
                await connection.drain()
        if self._is_chunked:
            connection.write(b"0\r\n\r\n")
        self._body_read.set()

    async def _watch(self, connection: Connection) -> None:
        """Hang up on the app once the caller has, which shows when its request was read to the end."""
        await self._body_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave(connection)

    def _leave(self, connection: Connection) -> None:
        self._caller_left = True
        connection.abort()

    def _head(self) -> bytes:
        target = self._scope.get("raw_path") or self._scope["path"].encode()
        if self._passage.query:
            target = b"%b?%b" % (target, self._passage.query)
        lines = [b"%b %b HTTP/1.1\r\n" % (self._scope["method"].encode(), target)]
        # A request has one length: the app must not see its end elsewhere than the Hub has.
        told = b"content-length" if self._is_chunked else None
        lines += [b"%b: %b\r\n" % header for header in self._passage.headers if header[0] != told]
        lines.append(b"transfer-encoding: chunked\r\n\r\n" if self._is_chunked else b"\r\n")
        return b"".join(lines)
