"""Where Spaces are found: a name and a port each."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest
from tests.localhub.runner.door import Door, open_door, open_hub, run

from spacehand.ids import RepoId
from spacehand.localhub.runner.gateway.gateway import Gateway


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
