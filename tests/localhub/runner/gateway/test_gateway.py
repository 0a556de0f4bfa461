"""The gateway, with real connections on both sides."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
import time
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from aiohttp import WSMsgType, web
from tests.localhub.runner.door import Door, open_door, open_hub, run

from spacehand.ids import RepoId, Visibility
from spacehand.localhub.accounts.store import SESSION_COOKIE
from spacehand.localhub.runner.address import PortAddress, SocketAddress
from spacehand.localhub.runner.gateway import entrance
from spacehand.localhub.runner.gateway.gateway import Gateway
from spacehand.stage import Stage

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


async def echo_socket(request: web.Request) -> web.WebSocketResponse:
    """Repeat messages; `bye` closes with a code of the app's own."""
    app = web.WebSocketResponse(protocols=("streamlit", "other"), max_msg_size=0)
    await app.prepare(request)
    async for message in app:
        if message.type is WSMsgType.TEXT and message.data == "bye":
            await app.close(code=4321, message=b"told to")
        elif message.type is WSMsgType.TEXT:
            await app.send_str(message.data)
        else:
            await app.send_bytes(message.data)
    return app


def test_a_websocket_passes_both_ways(tmp_path: Path) -> None:
    """
    Subprotocol, text, a large binary message and the app's close code reach the other side.
    """
    large = bytes(range(256)) * 16 * 1024

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, await door.app(handler=echo_socket))
            async with door.client.ws_connect(
                door.url(repo, "/_stcore/stream"), protocols=("streamlit",), max_msg_size=0
            ) as visitor:
                assert visitor.protocol == "streamlit"
                await visitor.send_str("grüezi")
                assert await visitor.receive_str() == "grüezi"
                await visitor.send_bytes(large)
                assert await visitor.receive_bytes() == large
                await visitor.send_str("bye")
                assert (await visitor.receive()).type is WSMsgType.CLOSE
                assert visitor.close_code == 4321

    run(story())


def test_a_websocket_that_the_app_refuses_is_refused(tmp_path: Path) -> None:
    """
    The app's status for the handshake is the visitor's.
    """

    async def refuses(_request: web.Request) -> web.Response:
        return web.Response(status=403, text="no")

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, await door.app(handler=refuses))
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await door.client.ws_connect(door.url(repo))
            assert refusal.value.status == 403

    run(story())


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


def test_a_private_space_opens_to_tokens_and_signed_links(tmp_path: Path) -> None:
    """
    Strangers see 404; the owner's token, or a link signed for this Space and then its cookie, open the door.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space("closed", Visibility.PRIVATE)
            other = door.space("other", Visibility.PRIVATE)
            address = await door.app()
            for each in (repo, other):
                door.gateway.serve(each, address)
            bob = door.hub.accounts.add_token(door.hub.accounts.add_user("bob").name, role="write")
            assert (await door.get(repo))[0] == 404
            for name in ("Authorization", "X-HF-Authorization"):
                assert (await door.get(repo, headers={name: f"Bearer {door.hub.token}"}))[0] == 200
                assert (await door.get(repo, headers={name: f"Bearer {bob}"}))[0] == 404
            signed = door.gateway.sign(repo)
            async with door.client.get(door.url(repo), params={"__sign": signed, "a": "1"}) as answer:
                assert answer.status == 200
                assert (await answer.json())["target"] == "/?a=1"
                cookie = answer.headers["Set-Cookie"].partition(";")[0]
            assert (await door.get(other, f"/?__sign={signed}"))[0] == 404
            status, text = await door.get(repo, headers={"Cookie": cookie})
            assert status == 200
            assert values(json.loads(text), "cookie") == []
            assert (await door.get(other, headers={"Cookie": cookie}))[0] == 404

    run(story())


def test_a_signed_link_grows_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A link that was signed longer ago than an hour opens nothing.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space("closed", Visibility.PRIVATE)
            door.gateway.serve(repo, await door.app())
            present = time.time()
            signed = door.gateway.sign(repo)
            monkeypatch.setattr(entrance.time, "time", lambda: present + 3601)
            assert (await door.get(repo, f"/?__sign={signed}"))[0] == 404

    run(story())


def test_a_protected_space_shows_its_app(tmp_path: Path) -> None:
    """
    Protected means closed files and an open app.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space("half", Visibility.PROTECTED)
            door.gateway.serve(repo, await door.app())
            assert (await door.get(repo))[0] == 200

    run(story())


def test_cors_is_answered_at_the_door(tmp_path: Path) -> None:
    """
    The caller's origin is reflected, a preflight never reaches the app, and a private Space shares with
    nobody but this machine.
    """
    preflight = {
        "Origin": "https://elsewhere.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-own",
    }

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo, closed = door.space(), door.space("closed", Visibility.PRIVATE)
            async with door.client.options(door.url(repo), headers=preflight) as answer:
                assert answer.status == 204
                assert answer.headers["Access-Control-Allow-Origin"] == "https://elsewhere.example"
                assert answer.headers["Access-Control-Allow-Methods"] == "POST"
                assert answer.headers["Access-Control-Allow-Headers"] == "content-type,x-own"
            async with door.client.options(door.url(closed), headers=preflight) as answer:
                assert "Access-Control-Allow-Origin" not in answer.headers
            door.gateway.serve(repo, await door.app())
            async with door.client.get(door.url(repo), headers={"Origin": "https://else.example"}) as answer:
                assert answer.headers.getall("Access-Control-Allow-Origin") == ["https://else.example"]
            assert "OPTIONS" in (await (await door.client.options(door.url(repo))).text())

    run(story())


def test_a_port_answers_to_local_names_only(tmp_path: Path) -> None:
    """
    A page that points its own name at 127.0.0.1 reads nothing.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, await door.app())
            port = door.url(repo, "").rpartition(":")[2]
            for host in ("127.0.0.1", "localhost", "[::1]", "ada-demo.localhost"):
                assert (await door.get(repo, headers={"Host": f"{host}:{port}"}))[0] == 200
            assert (await door.get(repo, headers={"Host": f"evil.example:{port}"}))[0] == 421

    run(story())


def test_hosts_follow_names(tmp_path: Path) -> None:
    """
    ``owner-name.localhost`` leads to the Space of that name, also after a rename; a deleted one is 404.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space("first.One")
            assert repo.id.subdomain == "ada-first-one"
            assert door.gateway.by_subdomain("ada-first-one") == repo
            moved = door.hub.repos.move(repo, RepoId("ada", "second"))
            assert door.gateway.by_subdomain("ada-first-one") is None
            assert door.gateway.by_subdomain("ada-second") == moved
            assert door.gateway.browser_url(moved) == "http://ada-second.localhost:7870"
            door.hub.repos.delete(moved)
            assert (await door.get(moved))[0] == 404
            port = int(door.url(moved, "").rpartition(":")[2])
            door.gateway.forget(moved)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)

    run(story())


def test_a_space_keeps_its_port(tmp_path: Path) -> None:
    """
    The port is the same when the Hub starts again; if another program took it meanwhile, another one is used,
    and that is said.
    """

    async def first() -> str:
        async with open_door(tmp_path) as door:
            return door.url(door.space())

    async def second() -> tuple[str, list[str]]:
        async with open_door(tmp_path) as door:
            repo = door.hub.repos.list()[0]
            return door.url(repo), door.gateway.differences(repo)

    url = run(first())
    assert run(second()) == (url, [])
    port = int(url.rstrip("/").rpartition(":")[2])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        moved, differences = run(second())
    assert moved != url
    assert str(port) in differences[0]
    assert run(second()) == (moved, [])


def test_a_port_may_be_asked_for_before_the_loop_runs(tmp_path: Path) -> None:
    """
    `app_url` opens the port in any thread; the gateway accepts there once it has started.
    """
    hub = open_hub(tmp_path)
    gateway = Gateway(hub)

    async def story() -> None:
        door = Door(hub, gateway, aiohttp.ClientSession(), hub.runner, tmp_path)
        repo = await asyncio.to_thread(door.space)
        url = await asyncio.to_thread(gateway.app_url, repo)
        await gateway.start()
        door.gateway.serve(repo, await door.app())
        async with door.client, door.client.get(url) as answer:
            assert answer.status == 200
        await gateway.stop()
        await door.apps[0].cleanup()

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
