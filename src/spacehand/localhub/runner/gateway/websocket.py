"""Passes WebSockets on to an app, both ways, message by message."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from spacehand.localhub.runner.address import PortAddress, SocketAddress
from spacehand.localhub.runner.gateway.forwarding import AppUnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp
    from starlette.types import Receive, Scope, Send

    from spacehand.localhub.runner.gateway.forwarding import Passage, RawHeaders

_NO_CLOSE_CODE = frozenset({1005, 1006, 1015})  # these may be seen, but never sent


class WebSockets:
    """The WebSockets that are open to one app."""

    def __init__(self, address: SocketAddress | PortAddress) -> None:
        self._address = address
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close them all."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def join(self, scope: Scope, receive: Receive, send: Send, passage: Passage) -> None:
        """
        Pass a WebSocket both ways, with its subprotocols, until one side closes it.

        Raises:
            AppUnreachableError: before the handshake was answered.
        """
        import aiohttp

        await receive()  # websocket.connect
        headers = [(name, value) for name, value in passage.headers if not name.startswith(b"sec-websocket-")]
        try:
            app = await self._client().ws_connect(
                self._url(scope, passage),
                protocols=scope.get("subprotocols", ()),
                headers=_multi(headers),
                max_msg_size=0,
                autoclose=False,
            )
        except aiohttp.ClientConnectorError as error:
            raise AppUnreachableError(str(error)) from error
        except aiohttp.WSServerHandshakeError as refusal:
            await refuse_websocket(scope, send, refusal.status, refusal.message)
            return
        async with app:
            await send({"type": "websocket.accept", "subprotocol": app.protocol})
            await _both_ways(_to_app(receive, app), _to_caller(app, send))

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            connector: aiohttp.BaseConnector
            if isinstance(self._address, SocketAddress):
                connector = aiohttp.UnixConnector(path=str(self._address.path), limit=0)
            else:
                connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                # An app may think for hours; only connecting has an end.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
                max_line_size=65_536,
                max_field_size=65_536,
            )
        return self._session

    def _url(self, scope: Scope, passage: Passage) -> Any:
        from yarl import URL

        host, port = ("space", None)
        if isinstance(self._address, PortAddress):
            host, port = self._address.host, self._address.port
        return URL.build(
            scheme="http",
            host=host,
            port=port,
            path=(scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
            query_string=passage.query.decode("latin-1"),
            encoded=True,
        )


async def refuse_websocket(scope: Scope, send: Send, status: int, text: str) -> None:
    """Answer a WebSocket's handshake with an ordinary HTTP *status*."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1011})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": text.encode()})


async def _to_app(receive: Receive, app: aiohttp.ClientWebSocketResponse) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            code = message.get("code") or 1000
            await app.close(code=1000 if code in _NO_CLOSE_CODE else code)
            return
        if (text := message.get("text")) is not None:
            await app.send_str(text)
        else:
            await app.send_bytes(message["bytes"])


async def _to_caller(app: aiohttp.ClientWebSocketResponse, send: Send) -> None:
    from aiohttp import WSMsgType

    reason = ""
    while True:
        message = await app.receive()
        if message.type is WSMsgType.TEXT:
            await send({"type": "websocket.send", "text": message.data})
        elif message.type is WSMsgType.BINARY:
            await send({"type": "websocket.send", "bytes": message.data})
        else:  # CLOSE, CLOSING, CLOSED, ERROR
            reason = message.extra or ""
            break
    code = app.close_code or 1011
    code = {1005: 1000, 1006: 1011, 1015: 1011}.get(code, code)
    await send({"type": "websocket.close", "code": code, "reason": reason})


async def _both_ways(*directions: Any) -> None:
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            # A side that vanished in mid-message is an ordinary end of a WebSocket.
            with contextlib.suppress(asyncio.CancelledError, ConnectionError, RuntimeError):
                await task


def _multi(headers: RawHeaders) -> Mapping[str, str]:
    from multidict import CIMultiDict

    return CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
