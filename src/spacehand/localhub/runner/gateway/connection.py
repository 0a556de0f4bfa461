"""One connection to an app: a request goes out, its answer comes back in parts as they arrive."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import httptools

from spacehand.localhub.runner.address import PortAddress

if TYPE_CHECKING:
    from spacehand.localhub.runner.address import SocketAddress
    from spacehand.localhub.runner.gateway.forwarding import RawHeaders

_CONNECT_SECONDS = 10.0
_MOST_WAITING = 1 << 18  # bytes of an answer that may wait for a slow caller before the app is held back
_LONGEST_HEAD = 1 << 18  # bytes


class AppLeftError(Exception):
    """The app closed the connection, or sent what is no HTTP, before its answer was whole."""


class Connection(asyncio.Protocol):
    """
    A connection that serves one request after the other.

    `ask`, then `head`, then `part` until nothing more follows; if it `is_reusable` then, `ask` again.
    A body is written with `write` and `drain` meanwhile.
    """

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._answer = _Answer()
        self._is_asked = False
        self._news: asyncio.Future[None] | None = None
        self._room: asyncio.Event = asyncio.Event()
        self._room.set()
        self._is_held_back = False
        self._lost: asyncio.Event = asyncio.Event()

    @classmethod
    async def to(cls, address: SocketAddress | PortAddress) -> Connection:
        """
        Connect to *address*.

        Raises:
            OSError: nobody listens there, or nobody takes the connection in time.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_SECONDS):  # TimeoutError is an OSError
            if isinstance(address, PortAddress):
                _, made = await loop.create_connection(cls, address.host, address.port)
            else:
                _, made = await loop.create_unix_connection(cls, str(address.path))
        return made

    @property
    def is_open(self) -> bool:
        return not (self._lost.is_set() or self._transport.is_closing())

    @property
    def is_reusable(self) -> bool:
        """Whether the last answer is whole, and the app will take another request."""
        return self._answer.leaves_open and self.is_open

    @property
    def has_answered(self) -> bool:
        """Whether a byte of the answer has come."""
        return self._answer.size > 0

    def ask(self, method: str, head: bytes) -> None:
        """Send the *head* of a request and expect its answer."""
        self._answer.expect(method)
        self._is_asked = True
        self._transport.write(head)

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    async def drain(self) -> None:
        """
        Wait until more may be written.

        Raises:
            AppLeftError: the connection is closed.
        """
        if not self._room.is_set():
            await self._room.wait()
        if self._lost.is_set():
            raise AppLeftError

    async def head(self) -> tuple[int, RawHeaders]:
        """
        Return the answer's status and headers, with names in lower case.

        Raises:
            AppLeftError: there is none.
        """
        answer = self._answer
        while not answer.has_head:
            await self._more()
        return answer.status, answer.headers

    async def part(self) -> tuple[bytes, bool]:
        """
        Return what has come of the answer's body since the last time, and whether more will follow.

        Raises:
            AppLeftError: nothing has, and no more will, though there should be more.
        """
        answer = self._answer
        while not (answer.parts or answer.is_whole):
            await self._more()
        data = answer.take()
        if self._is_held_back:
            self._is_held_back = False
            self._transport.resume_reading()
        return data, not answer.is_whole

    async def close(self) -> None:
        """Hang up, and return once the app can see it."""
        self.abort()
        await self._lost.wait()

    def abort(self) -> None:
        """Hang up."""
        self._transport.abort()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer.is_whole or not self._is_asked:
            self.abort()
            return
        try:
            answer.feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.abort()
        if answer.waiting > _MOST_WAITING and not self._is_held_back:
            self._is_held_back = True
            self._transport.pause_reading()
        self._ring()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, _error: Exception | None) -> None:
        self._answer.end()
        self._lost.set()
        self._room.set()
        self._ring()

    async def _more(self) -> None:
        if self._lost.is_set():
            raise AppLeftError
        self._news = asyncio.get_running_loop().create_future()
        await self._news

    def _ring(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class _Answer:
    """What has come of the answer to the last request; the parser calls the ``on_…``."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.expect("GET")

    def expect(self, method: str) -> None:
        """Begin anew, with nothing of the answer to a *method* request."""
        self.status = 0
        self.headers: RawHeaders = []
        self.parts: list[bytes] = []
        self.size = 0  # bytes that came, with the head
        self.waiting = 0  # bytes in `parts`
        self.has_head = False
        self.is_whole = False
        self.leaves_open = False
        self._is_bodiless = method == "HEAD"
        self._is_sized = False

    def feed(self, data: bytes) -> None:
        """
        Read on.

        Raises:
            HttpParserError, HttpParserUpgrade: this is no answer.
        """
        self.size += len(data)
        self._parser.feed_data(data)
        if not self.has_head and self.size > _LONGEST_HEAD:
            raise httptools.HttpParserError("The answer's head does not end")

    def take(self) -> bytes:
        """Return the parts that wait, as one."""
        data = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
        self.parts = []
        self.waiting = 0
        return data

    def end(self) -> None:
        """Note that the connection is closed; where no length was told, that is how an answer ends."""
        self.is_whole |= self.has_head and not self._is_sized
        self.leaves_open = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.has_head:  # else a trailer
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:  # "continue", "early hints": the answer itself is yet to come
            self.headers.clear()
            return
        self.status = status
        self.has_head = True
        self._is_sized = any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)
        # The parser still waits for the body that the answer to HEAD has not: it can not be used again.
        self.is_whole = self._is_bodiless

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)
        self.waiting += len(body)

    def on_message_complete(self) -> None:
        if self.has_head:
            self.is_whole = True
            self.leaves_open = self._parser.should_keep_alive()
