"""The gateway, with real connections on both sides."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from tests.localhub.runner.door import Door, echo_socket, open_door, run

from spacehand.localhub.runner.address import PortAddress, SocketAddress
from spacehand.stage import Stage


def test_a_stopped_space_says_its_stage(tmp_path: Path) -> None:
    """
    Programs get the text of the Hub's edge, people a page, and both learn the stage and the reason.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.runner.stage, door.runner.error = Stage.RUNTIME_ERROR, "Exit code: 1 <b>"
            status, text = await door.get(repo)
            _, page = await door.get(repo, headers={"Accept": "text/html"})
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await door.client.ws_connect(door.url(repo))
        assert status == 503
        assert text.startswith("Your space is in error, check its status on hf.co\n")
        assert "RUNTIME_ERROR" in text
        assert "Exit code: 1 &lt;b&gt;" in page
        assert 'http-equiv="refresh"' not in page
        assert refusal.value.status == 503

    run(story())


def test_an_app_that_takes_no_connection_is_503(tmp_path: Path) -> None:
    """
    A running replica whose port is dead gives the visitor the stage, not a stack trace.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            with socket.socket() as unused:
                unused.bind(("127.0.0.1", 0))
                door.gateway.serve(repo, PortAddress(unused.getsockname()[1]))
                status, text = await door.get(repo)
        assert status == 503
        assert "takes no connection" in text

    run(story())


def test_a_swap_under_load_loses_no_request(tmp_path: Path) -> None:
    """
    While replicas are swapped again and again and each old one is ended, every request is answered 200.
    """

    async def works(request: web.Request) -> web.Response:
        await asyncio.sleep(0.002)
        return web.Response(text=await request.text())

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            address = await door.app("replica-0", works)
            door.gateway.serve(repo, address)
            answers: asyncio.Queue[int] = asyncio.Queue()
            statuses = set()
            over = asyncio.Event()
            visitors = [asyncio.create_task(visit(door, repo, answers, over)) for _ in range(8)]
            for number in range(1, 25):
                successor = await door.app(f"replica-{number}", works)
                statuses |= {await answers.get() for _ in range(10)}
                door.gateway.serve(repo, successor)
                assert await door.gateway.drained(address, within=10)
                await door.apps.pop(0).cleanup()
                address = successor
            over.set()
            await asyncio.gather(*visitors)
            statuses |= {answers.get_nowait() for _ in range(answers.qsize())}
        assert statuses == {200}

    run(story())


async def visit(door: Door, repo: Any, answers: asyncio.Queue[int], over: asyncio.Event) -> None:
    while not over.is_set():
        async with door.client.post(door.url(repo), data="body") as answer:
            await answer.read()
            answers.put_nowait(answer.status)


def test_a_request_ends_where_it_began(tmp_path: Path) -> None:
    """
    A swap leaves a running request with its replica, and `drained` waits for it.
    """
    go_on = asyncio.Event()
    begun = asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        begun.set()
        await go_on.wait()
        return web.Response(text="old")

    async def quick(_request: web.Request) -> web.Response:
        return web.Response(text="new")

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            old = await door.app("old", slow)
            door.gateway.serve(repo, old)
            waiting = asyncio.create_task(door.get(repo))
            await begun.wait()
            door.gateway.serve(repo, await door.app("new", quick))
            assert await door.get(repo) == (200, "new")
            assert not await door.gateway.drained(old, within=0.01)
            go_on.set()
            assert await door.gateway.drained(old, within=5)
            assert await waiting == (200, "old")

    run(story())


def test_a_sleeping_space_wakes_once_for_all(tmp_path: Path) -> None:
    """
    Fifty requests at once wake the app one time, and every one of them is answered by it.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            address = await door.app()

            async def wake(_repo: Any) -> None:
                door.runner.stage = Stage.APP_STARTING
                await asyncio.sleep(0.05)
                door.runner.stage = Stage.RUNNING
                door.gateway.serve(repo, address)

            door.runner.stage, door.runner.on_wake = Stage.SLEEPING, wake
            answers = await asyncio.gather(*(door.get(repo) for _ in range(50)))
            assert {status for status, _ in answers} == {200}
            assert door.runner.wakes == 1
            door.gateway.withdraw(repo)
            door.runner.stage = Stage.SLEEPING
            assert (await door.get(repo))[0] == 200
            assert door.runner.wakes == 2

    run(story())


def test_a_visitor_who_gives_up_does_not_stop_the_waking(tmp_path: Path) -> None:
    """
    The request that woke the app may go away: the others who wait are still answered.
    """
    woken = asyncio.Event()

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            address = await door.app()

            async def wake(_repo: Any) -> None:
                await woken.wait()
                door.gateway.serve(repo, address)

            door.runner.stage, door.runner.on_wake = Stage.SLEEPING, wake
            with pytest.raises(TimeoutError):
                await door.get(repo, timeout=aiohttp.ClientTimeout(total=0.1))
            patient = asyncio.create_task(door.get(repo))
            await asyncio.sleep(0)
            woken.set()
            assert (await patient)[0] == 200
            assert door.runner.wakes == 1

    run(story())


def test_who_waits_for_a_waking_is_told_when_the_hub_stops(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A visitor of a Space that is waking gets 503 when the Hub stops, and nothing is logged as a failure.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            begun = asyncio.Event()

            async def wake(_repo: Any) -> None:
                begun.set()
                await asyncio.Event().wait()

            door.runner.stage, door.runner.on_wake = Stage.SLEEPING, wake
            visit = asyncio.create_task(door.get(repo))
            await begun.wait()
            await door.gateway.stop()
            assert (await visit)[0] == 503
        assert [said.getMessage() for said in caplog.records if said.exc_info] == []

    run(story())


def test_a_paused_space_is_not_woken(tmp_path: Path) -> None:
    """
    Only its owner starts a paused Space again.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.runner.stage = Stage.PAUSED
            assert (await door.get(repo))[0] == 503
            assert door.runner.wakes == 0

    run(story())


def test_last_request_is_told(tmp_path: Path) -> None:
    """
    The runner learns when a Space was last asked, and a fresh one has never been.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, await door.app())
            assert door.gateway.last_request(repo) is None
            before = time.time()
            await door.get(repo)
            last = door.gateway.last_request(repo)
            assert last is not None
            assert before <= last <= time.time()

    run(story())


def test_a_space_with_a_visitor_is_never_idle(tmp_path: Path) -> None:
    """
    A stream that began long ago counts as a request of this moment, for as long as it lasts.
    """
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def long(_request: web.Request) -> web.Response:
        begun.set()
        await go_on.wait()
        return web.Response()

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            address = await door.app(handler=long)
            door.gateway.serve(repo, address)
            visit = asyncio.create_task(door.get(repo))
            await begun.wait()
            first = door.gateway.last_request(repo)
            second = door.gateway.last_request(repo)
            assert first is not None
            assert second is not None
            assert first < second
            go_on.set()
            await visit
            assert await door.gateway.drained(address, within=5)
            assert door.gateway.last_request(repo) == door.gateway.last_request(repo)

    run(story())


def test_stopping_hangs_up_without_a_fuss(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """
    Streams and WebSockets that are open when the Hub stops end at once, and no stack trace is logged.
    """
    opened = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"x")
        opened.set()
        await asyncio.Event().wait()
        return answer

    async def story() -> None:
        async with open_door(tmp_path) as door:
            stream, sockets = door.space("stream"), door.space("sockets")
            door.gateway.serve(stream, await door.app("stream", endless))
            door.gateway.serve(sockets, await door.app("sockets", echo_socket))
            visitor = await door.client.ws_connect(door.url(sockets))
            async with door.client.get(door.url(stream)) as answer:
                await opened.wait()
                await door.gateway.stop()
                with pytest.raises(aiohttp.ClientError):
                    await answer.read()
            assert (await visitor.receive()).type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR)

    run(story())
    assert caplog.records == []


def test_an_unknown_address_has_nothing_under_way(tmp_path: Path) -> None:
    """
    Asking for an address that never served is answered at once.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            address = SocketAddress(tmp_path / "never.sock")
            assert door.gateway.in_flight(address) == 0
            assert await door.gateway.drained(address, within=0)

    run(story())
