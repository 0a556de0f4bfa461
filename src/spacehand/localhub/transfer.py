"""Large things over HTTP: bodies as they arrive, and answers that may be asked for in part."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from spacehand.localhub.errors import HubError
from spacehand.localhub.store.incoming import in_thread

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})\Z")

Blocks = Callable[[int, int], Iterator[bytes]]  # from start to end (exclusive)


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes *start* to *end* (exclusive) of *size*."""

    start: int
    end: int
    size: int

    @property
    def header(self) -> str:
        """As ``Content-Range`` says it."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def wanted_span(request: Request, size: int) -> Span | None:
    """
    Return what the Range header asks for, or None for everything: also when it asks for several ranges.

    Raises:
        HubError: 416, there is nothing in that range.
    """
    match = _RANGE.match(request.headers.get("range", ""))
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    if first:
        span = Span(int(first), min(int(last) + 1, size) if last else size, size)
    else:
        span = Span(max(0, size - int(last)), size, size)
    if span.start >= span.end:
        raise HubError(416, "Range Not Satisfiable", headers={"Content-Range": f"bytes */{size}"})
    return span


def part_of(
    request: Request, size: int, blocks: Blocks, headers: Mapping[str, str] | None = None
) -> Response:
    """
    Answer a GET or HEAD for *size* bytes with what its Range header asks for.

    Who asks for the rest of what had another ``ETag`` gets the whole.
    *blocks* is a blocking generator; it runs in worker threads, one block ahead of the client.
    """
    about = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **(headers or {})}
    is_another = "ETag" in about and request.headers.get("if-range", about["ETag"]) != about["ETag"]
    span = None if is_another else wanted_span(request, size)
    start, end = (0, size) if span is None else (span.start, span.end)
    about["Content-Length"] = str(end - start)
    if span is not None:
        about["Content-Range"] = span.header
    status = 200 if span is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers=about)
    return StreamingResponse(one_ahead(blocks(start, end)), status, about)


async def one_ahead(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield *blocks* as made in worker threads: while one is sent, the next is made."""
    loop = asyncio.get_running_loop()
    coming = loop.run_in_executor(None, next, blocks, None)
    try:
        while (block := await asyncio.shield(coming)) is not None:
            coming = loop.run_in_executor(None, next, blocks, None)
            yield block
    finally:
        if not coming.done():
            await asyncio.wait([coming])
        if close := getattr(blocks, "close", None):
            await in_thread(close)


async def body(request: Request) -> AsyncIterator[bytes]:
    """
    Yield the request's body as it arrives.

    Raises:
        HubError: 400, the client went away in the middle.
    """
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise HubError(400, "The connection ended before all bytes were here") from None


async def whole_body(request: Request, limit: int) -> bytearray:
    """
    Return the request's body.

    Raises:
        HubError: 413, it is larger than *limit* bytes.
    """
    whole = bytearray()
    async for piece in body(request):
        whole += piece
        if len(whole) > limit:
            raise HubError(413, f"The request's body is larger than {limit} bytes")
    return whole
