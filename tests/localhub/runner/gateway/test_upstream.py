"""Requests passed on to apps that speak HTTP in every way they may, and in some they may not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.localhub.runner.door import Door, open_door, run

from spacehand.localhub.repos.store import Repo
from spacehand.localhub.runner.address import SocketAddress

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def served(door: Door, talk: Talk) -> Repo:
    """Return a Space whose app treats each connection as *talk* says."""
    repo = door.space()
    path = door.folder / "talk.sock"

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await talk(reader, writer)
        writer.close()

    await asyncio.start_unix_server(connected, path)
    door.gateway.serve(repo, SocketAddress(path))
    return repo


async def head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def saying(answer: bytes) -> Talk:
    """An app that gives each connection one *answer* and hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(answer)

    return talk


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
CHUNKS = b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
            200,
            "hello",
        ),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", 200, "hello"),
        (
            HINTS + b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno",
            404,
            "no",
        ),
        (b"HTTP/1.1 204 No Content\r\nX-Empty:\r\n\r\n", 204, ""),
    ],
    ids=["length", "chunks", "to the end", "hints first", "nothing"],
)
def test_an_answer_ends_where_the_app_ends_it(tmp_path: Path, answer: bytes, status: int, text: str) -> None:
    """
    By its length, by its chunks, by the connection's end, or without a body at all.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = await served(door, saying(answer))
            assert await door.get(repo) == (status, text)

    run(story())


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-"])
def test_an_app_that_does_not_answer_is_502(tmp_path: Path, answer: bytes) -> None:
    """
    Who hangs up before the head is whole, or speaks something else, has not answered; the page says so.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = await served(door, saying(answer))
            status, text = await door.get(repo)
            assert status == 502
            assert "The app ended the connection before it answered" in text

    run(story())


def test_an_answer_cut_short_is_seen_to_be(tmp_path: Path) -> None:
    """
    When the app ends in the middle of its answer, so does the caller's connection: no half looks whole.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = await served(door, saying(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell"))
            async with door.client.get(door.url(repo)) as answer:
                with pytest.raises(Exception, match="Response payload is not completed"):
                    await answer.read()

    run(story())


def test_one_connection_serves_many_requests(tmp_path: Path) -> None:
    """
    HEAD apart, whose answer tells a length it does not have, a connection is used again.
    """
    heads: list[list[bytes]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append([])
        while not reader.at_eof():
            request = await head(reader)
            heads[-1].append(request.partition(b" ")[0])
            body = b"" if request.startswith(b"HEAD") else b"hello"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body)

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = await served(door, talk)
            for method in ("GET", "GET", "HEAD", "GET"):
                async with door.client.request(method, door.url(repo)) as answer:
                    assert (answer.status, answer.headers["Content-Length"]) == (200, "5")
        assert heads == [[b"GET", b"GET", b"HEAD"], [b"GET"]]

    run(story())


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 502)])
def test_a_connection_that_was_just_closing_is_no_error(tmp_path: Path, method: str, status: int) -> None:
    """
    A request that met a closing connection is sent once more, unless it may have done something already.
    """
    first = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        if not first.is_set():
            first.set()
            await head(reader)  # the second request on this connection, which ends without an answer

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = await served(door, talk)
            assert (await door.get(repo))[0] == 200
            async with door.client.request(method, door.url(repo)) as answer:
                assert answer.status == status

    run(story())


def test_an_answer_may_come_before_the_body_was_read(tmp_path: Path) -> None:
    """
    An app that refuses an upload by its head is heard at once; the connection is not used again.
    """
    connections = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(await head(reader))
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await reader.read()  # to the end

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = await served(door, talk)
            told = asyncio.Event()

            async def body() -> object:
                yield b"some"
                await told.wait()
                yield b"more"

            async with door.client.post(door.url(repo), data=body()) as answer:
                assert (answer.status, await answer.text()) == (413, "no")
                told.set()
            async with door.client.get(door.url(repo)) as answer:
                assert answer.status == 413
        assert len(connections) == 2
        assert b"transfer-encoding: chunked" in connections[0]

    run(story())
