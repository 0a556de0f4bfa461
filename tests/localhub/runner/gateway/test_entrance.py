"""Who may come in: tokens, signed links, other sites' pages, local names."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.localhub.runner.door import open_door, run

from spacehand.ids import Visibility
from spacehand.localhub.runner.gateway import entrance


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
            assert [name for name, _ in json.loads(text)["headers"] if name.lower() == "cookie"] == []
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
