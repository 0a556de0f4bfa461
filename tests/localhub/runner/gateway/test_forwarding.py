"""What passes through the door: requests and answers as they were sent, and what is the Hub's own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from aiohttp import web
from tests.localhub.runner.door import open_door, run

from spacehand.localhub.accounts.store import SESSION_COOKIE

MIB = 1024 * 1024


def values(told: dict[str, Any], name: str) -> list[str]:
    return [value for header, value in told["headers"] if header.lower() == name]


def test_a_request_arrives_as_it_was_sent(tmp_path: Path) -> None:
    """
    Method, raw path, query, body and ordinary headers reach the app unchanged.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, await door.app())
            url = aiohttp.client.URL(door.url(repo, "/a%2Fb/%C3%A9?x=1&x=%20&y"), encoded=True)
            async with door.client.put(url, data=b"hello", headers={"X-Own": "1"}) as answer:
                told = await answer.json()
        assert told["method"] == "PUT"
        assert told["target"] == "/a%2Fb/%C3%A9?x=1&x=%20&y"
        assert told["sha256"] == hashlib.sha256(b"hello").hexdigest()
        assert values(told, "x-own") == ["1"]
        assert values(told, "host") == [url.authority]

    run(story())


def test_forwarding_headers_say_what_the_hub_saw(tmp_path: Path) -> None:
    """
    One entry is appended to X-Forwarded-For, host and scheme are ours, and hop-by-hop headers stay behind.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, await door.app())
            sent = {
                "X-Forwarded-For": "9.9.9.9",
                "X-Forwarded-Host": "evil.example",
                "X-Forwarded-Proto": "https",
                "Connection": "keep-alive, X-Secret-Hop",
                "X-Secret-Hop": "1",
                "TE": "trailers",
                "Proxy-Authorization": "Basic x",
            }
            _, text = await door.get(repo, headers=sent)
            told = json.loads(text)
            host = door.url(repo, "").removeprefix("http://")
        assert values(told, "x-forwarded-for") == ["9.9.9.9, 127.0.0.1"]
        assert values(told, "x-forwarded-host") == [host]
        assert values(told, "x-forwarded-proto") == ["http"]
        for name in ("connection", "x-secret-hop", "te", "proxy-authorization", "transfer-encoding"):
            assert values(told, name) == []

    run(story())


def test_the_hubs_own_credentials_never_reach_an_app(tmp_path: Path) -> None:
    """
    The session's cookie, those that open other Spaces, and tokens are taken out; the app's own pass.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, await door.app())
            sent = {
                "Cookie": f"theme=dark; {SESSION_COOKIE}=abc; spacehand_space_0123456789ab=opens; own=1",
                "Authorization": f"Bearer {door.hub.token}",
                "X-HF-Authorization": f"Bearer {door.hub.token}",
            }
            _, first = await door.get(repo, headers=sent)
            _, second = await door.get(repo, headers={"Authorization": "Bearer the-apps-own"})
            password = base64.b64encode(f"ada:{door.hub.token}".encode()).decode()
            _, third = await door.get(repo, headers={"Authorization": f"Basic {password}"})
        assert door.hub.token not in first
        assert password not in third
        assert values(json.loads(first), "cookie") == ["theme=dark; own=1"]
        assert values(json.loads(second), "authorization") == ["Bearer the-apps-own"]

    run(story())


def test_an_app_cannot_set_the_hubs_session(tmp_path: Path) -> None:
    """
    127.0.0.1 has one cookie jar for all ports, so a Set-Cookie for the Hub's own session is dropped.
    """

    async def sets_cookies(_request: web.Request) -> web.Response:
        answer = web.Response(text="ok")
        answer.headers.add("Set-Cookie", f"{SESSION_COOKIE}=stolen; Path=/")
        answer.headers.add("Set-Cookie", "spacehand_space_0123456789ab=forged; Path=/")
        answer.headers.add("Set-Cookie", "own=1")
        return answer

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, await door.app(handler=sets_cookies))
            async with door.client.get(door.url(repo)) as answer:
                assert answer.headers.getall("Set-Cookie") == ["own=1"]

    run(story())


def test_the_answer_arrives_as_the_app_gave_it(tmp_path: Path) -> None:
    """
    Status, encoding and headers come back untouched, with the card's custom headers added.
    """

    async def answers(_request: web.Request) -> web.Response:
        return web.Response(
            status=418, body=b"\x1f\x8bnot really gzip", headers={"Content-Encoding": "gzip", "X-App": "1"}
        )

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            address = await door.app(handler=answers)
            door.gateway.serve(repo, address, headers={"cross-origin-opener-policy": "same-origin"})
            async with door.client.get(door.url(repo)) as answer:
                assert (answer.status, await answer.read()) == (418, b"\x1f\x8bnot really gzip")
                assert answer.headers["Content-Encoding"] == "gzip"
                assert answer.headers["X-App"] == "1"
                assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"

    run(story())


@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
def test_large_bodies_pass_in_constant_memory(tmp_path: Path, declared: bool) -> None:
    """
    A quarter of a gigabyte up and down grows the process by a few buffers only.
    """
    block, count = b"\xab" * MIB, 256

    async def echoes(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        async for chunk in request.content.iter_any():
            await answer.write(chunk)
        return answer

    async def blocks() -> Any:
        for _ in range(count):
            yield block

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, await door.app(handler=echoes))
            process = psutil.Process()
            before, peak, size = process.memory_info().rss, 0, 0
            headers = {"Content-Length": str(count * MIB)} if declared else {}
            async with door.client.post(door.url(repo), data=blocks(), headers=headers) as answer:
                async for chunk in answer.content.iter_any():
                    size += len(chunk)
                    peak = max(peak, process.memory_info().rss)
            assert size == count * MIB
            assert peak - before < 48 * MIB

    run(story())


def test_a_stream_is_not_held_back(tmp_path: Path) -> None:
    """
    The first event arrives while the app is still waiting to send the second.
    """
    seen = asyncio.Event()

    async def two_events(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        await answer.write(b"data: one\n\n")
        await seen.wait()
        await answer.write(b"data: two\n\n")
        return answer

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, await door.app(handler=two_events))
            async with door.client.get(door.url(repo)) as answer:
                assert await answer.content.readuntil(b"\n\n") == b"data: one\n\n"
                seen.set()
                assert await answer.content.read() == b"data: two\n\n"

    run(story())


def test_an_app_learns_that_its_caller_left(tmp_path: Path) -> None:
    """
    When the visitor closes the connection in the middle of a stream, the app's side ends too.
    """
    left = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"x")
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return answer

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            address = await door.app(handler=endless)
            door.gateway.serve(repo, address)
            async with door.client.get(door.url(repo)) as answer:
                assert await answer.content.readexactly(1) == b"x"
                assert door.gateway.in_flight(address) == 1
                answer.close()
            await left.wait()
            assert await door.gateway.drained(address, within=5)
            assert door.gateway.in_flight(address) == 0

    run(story())
