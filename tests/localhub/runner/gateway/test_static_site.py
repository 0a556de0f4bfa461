"""Static Spaces, served from a folder."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from tests.localhub.runner.door import open_door, run

from spacehand.localhub.runner.address import FolderAddress
from spacehand.localhub.runner.gateway.static_site import with_variables


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "sub").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("secret")
    (folder / "index.html").write_text("<!doctype html><html><head><title>Hi</title></head></html>")
    (folder / "sub" / "index.html").write_text("<p>sub</p>")
    (folder / "main.js").write_text("let x = 1")
    (folder / "model.wasm").write_bytes(b"\0asm")
    (folder / "clip.bin").write_bytes(bytes(range(100)))
    (tmp_path / "outside.txt").write_text("outside")
    (folder / "link.txt").symlink_to(tmp_path / "outside.txt")
    return folder


def test_files_come_with_their_types(tmp_path: Path, site: Path) -> None:
    """
    The index answers ``/``, folders answer with theirs, and each file has the type that browsers insist on.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, FolderAddress(site))
            for path, kind in {
                "/": "text/html; charset=utf-8",
                "/sub/": "text/html; charset=utf-8",
                "/main.js": "text/javascript; charset=utf-8",
                "/model.wasm": "application/wasm",
            }.items():
                async with door.client.get(door.url(repo, path)) as answer:
                    assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
            head = {"Range": "bytes=10-19"}
            async with door.client.get(door.url(repo, "/clip.bin"), headers=head) as answer:
                assert (answer.status, await answer.read()) == (206, bytes(range(10, 20)))

    run(story())


def test_the_cards_app_file_is_the_index(tmp_path: Path, site: Path) -> None:
    """
    ``app_file`` answers ``/`` in place of index.html.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, FolderAddress(site, index="sub/index.html"))
            assert "<p>sub</p>" in (await door.get(repo))[1]

    run(story())


@pytest.mark.parametrize(
    "path",
    ["/../outside.txt", "/%2e%2e/outside.txt", "/sub/../../outside.txt", "/link.txt", "/.git/config", "/%00"],
)
def test_nothing_outside_the_folder_is_shown(tmp_path: Path, site: Path, path: str) -> None:
    """
    Neither ``..`` in any spelling, nor a symbolic link, nor git's own folder leads to a file.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, FolderAddress(site))
            url = aiohttp.client.URL(door.url(repo, path), encoded=True)
            async with door.client.get(url) as answer:
                assert answer.status == 404

    run(story())


def test_variables_are_set_before_the_pages_own_scripts(tmp_path: Path, site: Path) -> None:
    """
    HTML pages know ``window.huggingface.variables``; a value cannot end the script it stands in.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, FolderAddress(site, variables={"A": "</script><b>"}))
            _, page = await door.get(repo)
            _, script = await door.get(repo, "/main.js")
        expected = '<head><script>window.huggingface={variables:{"A": "\\u003c/script>\\u003cb>"}};</script>'
        assert expected in page
        assert script == "let x = 1"

    run(story())


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<p>x</p>", "SCRIPT<p>x</p>"),
        ("\n<!DOCTYPE html>\n<p>x</p>", "\n<!DOCTYPE html>SCRIPT\n<p>x</p>"),
        ('<html><HEAD class="a"><title>', '<html><HEAD class="a">SCRIPT<title>'),
        ("<html><header>no head</header>", "SCRIPT<html><header>no head</header>"),
    ],
)
def test_the_script_goes_where_it_does_no_harm(page: str, expected: str) -> None:
    """
    Into the head, or else after the doctype, so that no page falls into quirks mode.
    """
    script = "<script>window.huggingface={variables:{}};</script>"
    assert with_variables(page, {}) == expected.replace("SCRIPT", script)


def test_a_static_space_only_shows(tmp_path: Path, site: Path) -> None:
    """
    POST is 405 and a WebSocket 404: nothing runs here.
    """

    async def story() -> None:
        async with open_door(tmp_path) as door:
            repo = door.space()
            door.gateway.serve(repo, FolderAddress(site))
            async with door.client.post(door.url(repo)) as answer:
                assert answer.status == 405
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await door.client.ws_connect(door.url(repo))
            assert refusal.value.status == 404

    run(story())
