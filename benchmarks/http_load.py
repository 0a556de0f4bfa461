"""A load on an HTTP server that costs little itself: bare sockets in one event loop."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

PART = bytes(1 << 18)


@dataclass(frozen=True)
class Load:
    """Requests to *url*, whose answers have a Content-Length."""

    url: str

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def median_seconds(self, count: int) -> float:
        """Return the median time of a small GET on one connection."""
        return statistics.median(asyncio.run(self._timed(count)))

    def seconds_for(self, count: int, connections: int) -> float:
        """Return how long *count* small GETs take, spread over so many connections."""

        async def work() -> float:
            began = time.perf_counter()
            await asyncio.gather(*(self._timed(count // connections) for _ in range(connections)))
            return time.perf_counter() - began

        return asyncio.run(work())

    def download(self, path: str) -> float:
        """Return how long a GET of *path* takes to its last byte."""

        async def work() -> float:
            reader, writer = await asyncio.open_connection(*self.address, limit=1 << 20)
            began = time.perf_counter()
            left = await _ask(reader, writer, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            while left:
                left -= len(await reader.read(1 << 20))
            writer.close()
            return time.perf_counter() - began

        return asyncio.run(work())

    def upload(self, path: str, size: int) -> float:
        """Return how long a POST of *size* bytes takes until it is answered."""

        async def work() -> float:
            reader, writer = await asyncio.open_connection(*self.address)
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
            began = time.perf_counter()
            writer.write(head.encode())
            for _ in range(size // len(PART)):
                writer.write(PART)
                await writer.drain()
            await reader.readexactly(await _ask(reader, writer, b""))
            writer.close()
            return time.perf_counter() - began

        return asyncio.run(work())

    def first_event(self, path: str) -> float:
        """Return how long the first bytes of an event stream's body take."""

        async def work() -> float:
            reader, writer = await asyncio.open_connection(*self.address)
            began = time.perf_counter()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            await reader.readuntil(b"data:")
            writer.close()
            return time.perf_counter() - began

        return asyncio.run(work())

    async def _timed(self, count: int) -> list[float]:
        reader, writer = await asyncio.open_connection(*self.address)
        taken = []
        for _ in range(count):
            began = time.perf_counter()
            await reader.readexactly(await _ask(reader, writer, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            taken.append(time.perf_counter() - began)
        writer.close()
        return taken


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send *request* and return the length of the answer's body, which is yet to be read."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert b" 200 " in head.partition(b"\r\n")[0], head
    return int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
