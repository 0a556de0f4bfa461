"""Models in an app's cache before it starts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from huggingface_hub import try_to_load_from_cache
from tests.localhub.runner.conftest import server
from tests.localhub.runner.workshop import Workshop, workshop

from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.localhub.runner.card import Preload
from spacehand.localhub.store.place import Place
from spacehand.stage import Stage

HEADER = "preload_from_hub:\n- {line}\n"


def in_workshop(place: Place, story: Callable[[Workshop], Awaitable[Any]]) -> None:
    async def told() -> None:
        async with workshop(place) as shop:
            await story(shop)

    asyncio.run(told())


def test_the_official_client_finds_what_was_preloaded(place: Place):
    """
    The files named, and no others, are in the cache as the official client lays it out; the log says so.
    """

    async def story(shop: Workshop) -> None:
        sha = shop.model("tiny", **{"config.json": "{}", "sub/weights.bin": "12345", "other.bin": "no"})
        repo = shop.space()
        shop.push(
            repo,
            server('self.say(os.environ["HOME"])'),
            more=HEADER.format(line="ada/tiny config.json,sub/weights.bin"),
        )
        await shop.until(repo, Stage.RUNNING)

        cache = (await shop.get(repo))[1] + "/.cache/huggingface/hub"

        found = {
            name: try_to_load_from_cache("ada/tiny", name, cache_dir=cache)
            for name in ("config.json", "sub/weights.bin", "other.bin")
        }
        assert found.pop("other.bin") is None
        assert [os.path.basename(str(path)) for path in found.values()] == ["config.json", "weights.bin"]  # noqa: PTH119
        assert f"--> Preloading ada/tiny@{sha[:7]}: 2 files, 7 bytes\n" in shop.log(repo, "build")

    in_workshop(place, story)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ada/none", "there is no model `ada/none` at `main` on this Hub"),
        ("ada/tiny a.bin", "ada/tiny has no file `a.bin` at `main`"),
        ("ada/tiny config.json v9", "there is no model `ada/tiny` at `v9` on this Hub"),
        ("ada/secret", "ada/secret is private; public models are preloaded"),
        ("ada/gated", "ada/gated is gated; public models are preloaded"),
    ],
)
def test_what_cannot_be_preloaded_fails_the_build(line: str, reason: str, place: Place):
    """
    A model, a file or a revision that is not on this Hub, or not public, is a BUILD_ERROR that names it.
    """

    async def story(shop: Workshop) -> None:
        shop.model("tiny", **{"config.json": "{}"})
        shop.model("secret", visibility=Visibility.PRIVATE, **{"config.json": "{}"})
        shop.model("gated", **{"config.json": "{}"})
        gated = shop.hub.repos.get(RepoKind.MODEL, RepoId("ada", "gated"))
        shop.hub.repos.change(gated, visibility=Visibility.PUBLIC, gated="manual")
        repo = shop.space()
        shop.push(repo, server(), more=HEADER.format(line=line))
        runtime = await shop.until(repo, Stage.BUILD_ERROR)
        assert runtime["errorMessage"] == f"`preload_from_hub`: {reason}"
        assert shop.log(repo, "build").rstrip().endswith(f"--> ERROR: `preload_from_hub`: {reason}")

    in_workshop(place, story)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("ada/tiny", Preload(RepoId("ada", "tiny"))),
        ("ada/tiny a,b", Preload(RepoId("ada", "tiny"), frozenset({"a", "b"}))),
        ("ada/tiny a v1", Preload(RepoId("ada", "tiny"), frozenset({"a"}), "v1")),
    ],
)
def test_a_line_is_read_as_the_hub_reads_it(line: str, wanted: Preload):
    """
    A model; then files, with commas; then a revision.
    """
    assert Preload.parse(line) == wanted


@pytest.mark.parametrize("line", ["", "tiny", "a/b c d e", "ada/tiny a ../../main"])
def test_a_line_that_asks_for_nothing_is_refused(line: str):
    """
    What is no model, or leads out of it, is no line.
    """
    with pytest.raises(ValueError, match="`"):
        Preload.parse(line)
