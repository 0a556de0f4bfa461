"""Who answers where several replicas do."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from tests.localhub.runner.door import Door, open_door, run

from spacehand.localhub.repos.store import Repo
from spacehand.localhub.runner.address import SocketAddress


def naming(name: str) -> Any:
    """Return a handler that answers its own *name* and the cookies it got."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"name": name, "cookies": dict(request.cookies)})

    return answer


@asynccontextmanager
async def several(folder: Path, count: int = 3) -> AsyncIterator[tuple[Door, Repo, list[SocketAddress]]]:
    """A Space's door with *count* replicas behind it, each of which answers its number."""
    async with open_door(folder) as door:
        repo = door.space()
        addresses = [await door.app(str(number), naming(str(number))) for number in range(count)]
        door.gateway.serve(repo, *addresses)
        yield door, repo, addresses


async def ask(client: aiohttp.ClientSession, door: Door, repo: Repo, path: str = "/") -> dict[str, Any]:
    async with client.get(door.url(repo, path)) as answer:
        told: dict[str, Any] = await answer.json()
        return told


def visitor() -> aiohttp.ClientSession:
    """Return a client that keeps cookies, as a browser does."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))


def stranger() -> aiohttp.ClientSession:
    """Return a client that keeps none."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


def test_who_keeps_cookies_comes_back_to_the_same_replica(tmp_path: Path) -> None:
    """
    A visitor stays with the replica that answered first, which never sees the cookie; visitors are spread.
    """

    async def story() -> None:
        async with several(tmp_path) as (door, repo, _):
            met = []
            for _ in range(6):
                async with visitor() as client:
                    answers = [await ask(client, door, repo) for _ in range(4)]
                    assert len({told["name"] for told in answers}) == 1
                    assert all(told["cookies"] == {} for told in answers)
                    met.append(answers[0]["name"])
            assert set(Counter(met).values()) == {2}

    run(story())


def test_a_websocket_is_the_replicas_that_has_sent_the_page(tmp_path: Path) -> None:
    """
    Streamlit and Shiny keep a session in the process that sent the page; so does each socket after that.
    """

    def both(name: str) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            if request.headers.get("upgrade") != "websocket":
                return web.json_response({"name": name})
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.send_str(name)
            await socket.close()
            return socket

        return answer

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, *[await door.app(name, both(name)) for name in "abc"])
            for _ in range(3):
                async with visitor() as client:
                    name = (await ask(client, door, repo))["name"]
                    for _ in range(3):
                        async with client.ws_connect(door.url(repo, "/_stcore/stream")) as socket:
                            assert await socket.receive_str() == name

    run(story())


def test_who_keeps_no_cookies_gets_who_has_least_to_do(tmp_path: Path) -> None:
    """
    While one replica is at work, the others take all new requests, in turn.
    """

    async def story() -> None:
        go = asyncio.Event()
        begun = asyncio.Event()

        async def slow(_request: web.Request) -> web.Response:
            begun.set()
            await go.wait()
            return web.json_response({"name": "slow"})

        async with open_door(tmp_path) as door:
            repo = door.space()
            busy = await door.app("busy", slow)
            door.gateway.serve(repo, busy)
            async with stranger() as client:
                first = asyncio.create_task(ask(client, door, repo))
                await begun.wait()
                others = [await door.app(name, naming(name)) for name in "ab"]
                door.gateway.serve(repo, busy, *others)
                names = [(await ask(client, door, repo))["name"] for _ in range(6)]
                assert Counter(names) == {"a": 3, "b": 3}
                go.set()
                assert (await first)["name"] == "slow"

    run(story())


def test_a_gradio_session_without_cookies_stays_where_its_queue_is(tmp_path: Path) -> None:
    """
    All requests of one `session_hash`, in a query, a path or the JSON of a body, have one replica; the body
    arrives whole, and several sessions are spread.
    """

    async def story() -> None:
        async with several(tmp_path) as (door, repo, _), stranger() as client:
            met = set()
            for number in range(40):
                session = f"session{number}"
                names = [
                    (await ask(client, door, repo, f"/gradio_api/queue/data?session_hash={session}"))["name"],
                    (await ask(client, door, repo, f"/gradio_api/heartbeat/{session}"))["name"],
                ]
                joining = {"data": ["x"], "fn_index": 0, "session_hash": session}
                async with client.post(door.url(repo, "/gradio_api/queue/join"), json=joining) as answer:
                    names.append((await answer.json())["name"])
                assert len(set(names)) == 1
                met.update(names)
            assert met == {"0", "1", "2"}

            door.gateway.serve(repo, await door.app("all"), await door.app("too"))
            joining["data"] = ["x" * 100_000]
            async with client.post(door.url(repo), json=joining) as answer:
                assert (await answer.json())["size"] == len(json.dumps(joining))

    run(story())


def test_a_call_is_fetched_where_it_was_left(tmp_path: Path) -> None:
    """
    What `curl` does with Gradio's API: the event that one replica gave is only ever asked of that one.
    """

    def gradio(name: str) -> Any:
        events: list[str] = []

        async def answer(request: web.Request) -> web.Response:
            if request.method == "POST":
                events.append(uuid.uuid4().hex)
                return web.json_response({"event_id": events[-1]})
            return web.Response(status=200 if request.path.rpartition("/")[2] in events else 404)

        return answer

    async def story() -> None:
        async with open_door(tmp_path) as door, stranger() as client:
            repo = door.space()
            door.gateway.serve(repo, *[await door.app(name, gradio(name)) for name in "abc"])
            call = door.url(repo, "/gradio_api/call/predict")
            left = []
            for _ in range(6):
                async with client.post(call, json={"data": []}) as answer:
                    left.append((await answer.json())["event_id"])
            for event in left:
                async with client.get(f"{call}/{event}") as answer:
                    assert answer.status == 200

    run(story())


def test_visitors_of_a_replica_that_is_gone_go_to_another(tmp_path: Path) -> None:
    """
    Also while it is still named as one that answers: no request fails, and the others keep their own.
    """

    async def story() -> None:
        async with several(tmp_path) as (door, repo, addresses), visitor() as mine, visitor() as other:
            gone, kept = (await ask(mine, door, repo))["name"], (await ask(other, door, repo))["name"]
            assert gone != kept
            await door.apps[int(gone)].cleanup()
            elsewhere = (await ask(mine, door, repo))["name"]
            assert elsewhere != gone
            door.gateway.serve(repo, *(one for one in addresses if one.path.stem != gone))
            assert (await ask(mine, door, repo))["name"] == elsewhere
            assert (await ask(other, door, repo))["name"] == kept

    run(story())


def test_a_replica_that_hangs_up_is_asked_again_only_where_that_does_no_harm(tmp_path: Path) -> None:
    """
    A GET that a replica leaves unanswered is another's; a POST may have done something, and is told to fail.
    """

    async def leaves(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def story() -> None:
        async with open_door(tmp_path) as door, stranger() as client:
            repo = door.space()
            bad, good = await door.app("bad", leaves), await door.app("good", naming("good"))
            door.gateway.serve(repo, bad, good)
            assert [(await ask(client, door, repo))["name"] for _ in range(4)] == ["good"] * 4
            found = set()
            for _ in range(4):
                async with client.post(door.url(repo), data=b"x") as answer:
                    found.add(answer.status)
            assert found == {200, 502}

    run(story())


def test_who_came_before_there_were_others_stays(tmp_path: Path) -> None:
    """
    Where replicas may be added, a visitor of the only one stays with it afterwards; the cookie of a page that
    is shown within another is one that browsers keep there.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            only = await door.app("only", naming("only"))
            door.gateway.serve(repo, only, may_grow=True)
            clients = [visitor() for _ in range(3)]
            for client in clients:
                assert (await ask(client, door, repo))["name"] == "only"
            door.gateway.serve(repo, only, await door.app("more", naming("more")), may_grow=True)
            for client in clients:
                assert (await ask(client, door, repo))["name"] == "only"
                await client.close()
            async with stranger() as client:
                framed = {"Sec-Fetch-Dest": "iframe"}
                async with client.get(door.url(repo), headers=framed) as answer:
                    assert "SameSite=None; Partitioned" in answer.headers["set-cookie"]
                async with client.get(door.url(repo)) as answer:
                    assert "Secure" not in answer.headers["set-cookie"]
            alone = door.space("alone")
            door.gateway.serve(alone, only)
            async with stranger() as client, client.get(door.url(alone)) as answer:
                assert "set-cookie" not in answer.headers

    run(story())
