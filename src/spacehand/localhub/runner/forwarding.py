"""Passes requests on to an app and its answers back, byte by byte, without ever holding a whole body."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spacehand.localhub.runner.address import PortAddress, SocketAddress

if TYPE_CHECKING:
    import aiohttp
    from starlette.types import Receive, Scope, Send

RawHeaders = list[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Seconds that an idle connection to the app is kept: less than any server's own limit (gunicorn: 2), so that
# a request is never written to a connection that the app is just closing.
_KEEP_ALIVE = 1.0
_NO_CLOSE_CODE = frozenset({1005, 1006, 1015})  # these may be seen, but never sent


class AppUnreachableError(Exception):
    """The app took no connection; nothing of the request was passed on, nothing was answered."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What changes on the way: the headers and the query as the app sees them, and what its answer gains."""

    headers: RawHeaders
    query: bytes
    answer_headers: RawHeaders
    drop_cookies: tuple[str, ...] = ()  # how no name in an app's Set-Cookie may begin


class Upstream:
    """One app's address and the pool of connections to it."""

    def __init__(self, address: SocketAddress | PortAddress) -> None:
        self._address = address
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections; requests under way end."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def http(self, scope: Scope, receive: Receive, send: Send, passage: Passage) -> None:
        """
        Pass one request on and its answer back, both as streams.

        Raises:
            AppUnreachableError: before anything was sent.
        """
        body = _RequestBody(scope, receive)
        answer = asyncio.ensure_future(self._exchange(scope, send, passage, body))
        gone = asyncio.ensure_future(body.caller_gone())
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                answer.result()
        finally:
            for task in (answer, gone):
                task.cancel()
            # The app must see the connection close before its replica counts as idle.
            await asyncio.gather(answer, gone, return_exceptions=True)

    async def _exchange(self, scope: Scope, send: Send, passage: Passage, body: _RequestBody) -> None:
        import aiohttp

        try:
            async with self._pool().request(
                scope["method"],
                self._url(scope, passage),
                headers=_multi(passage.headers),
                data=body.chunks() if body.declared else None,
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            ) as answer:
                headers = _answer_headers(answer.raw_headers, passage)
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                await _pour(answer.content, send)
        except aiohttp.ClientConnectorError as error:
            raise AppUnreachableError(str(error)) from error

    async def websocket(self, scope: Scope, receive: Receive, send: Send, passage: Passage) -> None:
        """
        Pass a WebSocket both ways, with its subprotocols, until one side closes it.

        Raises:
            AppUnreachableError: before the handshake was answered.
        """
        import aiohttp

        await receive()  # websocket.connect
        headers = [(name, value) for name, value in passage.headers if not name.startswith(b"sec-websocket-")]
        try:
            app = await self._pool().ws_connect(
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

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            connector: aiohttp.BaseConnector
            if isinstance(self._address, SocketAddress):
                connector = aiohttp.UnixConnector(
                    path=str(self._address.path), limit=0, keepalive_timeout=_KEEP_ALIVE
                )
            else:
                connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE)
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
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


class _RequestBody:
    """The caller's side of a request: its body, and the moment it goes away."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._read = asyncio.Event()
        self.declared = any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])
        if not self.declared:
            self._read.set()

    async def chunks(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("The caller went away in the middle of its request")
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]
        self._read.set()

    async def caller_gone(self) -> None:
        """Return when the caller has closed its connection; looks only once the body was read."""
        await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def forwarded_headers(
    scope: Scope,
    *,
    scheme: str = "http",
    without: Iterable[bytes] = (),
    cookies_without: tuple[str, ...] = (),
) -> RawHeaders:
    """
    Return the request's headers as the app shall see them.

    Hop-by-hop headers and those in *without* are gone, and cookies whose names begin as in *cookies_without*.
    There is exactly one more entry in ``X-Forwarded-For``; ``X-Forwarded-Host`` and ``-Proto`` are what this
    Hub saw.
    """
    headers: RawHeaders = scope["headers"]
    dropped = _HOP_BY_HOP | _named_in_connection(headers) | frozenset(without)
    dropped |= {b"expect", b"cookie", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"}
    kept = [(name, value) for name, value in headers if name not in dropped]
    if cookies := _cookies(headers, cookies_without):
        kept.append((b"cookie", cookies))
    hops = [value for name, value in headers if name == b"x-forwarded-for"]
    client = scope.get("client")
    hops.append(client[0].encode() if client else b"127.0.0.1")
    kept.append((b"x-forwarded-for", b", ".join(hops)))
    kept.append((b"x-forwarded-proto", scheme.encode()))
    host = next((value for name, value in headers if name == b"host"), b"")
    kept.append((b"x-forwarded-host", host))
    return kept


async def refuse_websocket(scope: Scope, send: Send, status: int, text: str) -> None:
    """Answer a WebSocket's handshake with an ordinary HTTP *status*."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1011})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": text.encode()})


async def _pour(content: aiohttp.StreamReader, send: Send) -> None:
    end = False
    while not end:
        chunk = await content.readany()
        end = content.at_eof()
        if chunk or end:
            await send({"type": "http.response.body", "body": chunk, "more_body": not end})


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


def _answer_headers(raw: Iterable[tuple[bytes, bytes]], passage: Passage) -> RawHeaders:
    headers = [(name.lower(), value) for name, value in raw]
    ours = {name for name, _ in passage.answer_headers if name != b"set-cookie"}
    dropped = _HOP_BY_HOP | _named_in_connection(headers) | ours
    kept = [
        (name, value)
        for name, value in headers
        if name not in dropped
        and not (name == b"set-cookie" and _cookie_name(value).startswith(passage.drop_cookies))
    ]
    return kept + passage.answer_headers


def _named_in_connection(headers: RawHeaders) -> frozenset[bytes]:
    values = [value for name, value in headers if name == b"connection"]
    return frozenset(word.strip().lower() for value in values for word in value.split(b","))


def _cookies(headers: RawHeaders, without: tuple[str, ...]) -> bytes:
    pairs = [
        pair.strip()
        for name, value in headers
        if name == b"cookie"
        for pair in value.split(b";")
        if pair.strip()
    ]
    return b"; ".join(pair for pair in pairs if not _cookie_name(pair).startswith(without))


def _cookie_name(pair: bytes) -> str:
    return pair.partition(b"=")[0].strip().decode("latin-1")


def _multi(headers: RawHeaders) -> Mapping[str, str]:
    from multidict import CIMultiDict

    return CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
