"""Repositories and buckets inside an app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from huggingface_hub import HfApi, Volume
from tests import needs
from tests.localhub.runner.conftest import server
from tests.localhub.runner.workshop import Workshop, workshop

from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.localhub.app import create_app
from spacehand.localhub.hub import LocalHub
from spacehand.localhub.runner.engines.process import ProcessEngine
from spacehand.localhub.runner.engines.sandbox import SandboxEngine
from spacehand.localhub.store.place import Place
from spacehand.stage import Stage

pytestmark = pytest.mark.sandbox
APP = server(
    "self.say(tried(self.path))",
    before="""
import urllib.parse
def tried(path):
    if path == "/":
        return "up"
    action, name = path.split("?")[0][1:], urllib.parse.unquote(path.split("?")[1])
    try:
        if action == "read":
            return open(name).read()
        open(name, "a").write("more ")
        return "written"
    except OSError as error:
        return type(error).__name__
""",
)


def in_sandbox(place: Place, story: Callable[[Workshop], Awaitable[Any]]) -> None:
    needs.bwrap()

    async def told() -> None:
        async with workshop(place, engine=SandboxEngine()) as shop:
            await story(shop)

    asyncio.run(told())


def volume(kind: str, source: str, mount_path: str, **more: Any) -> dict[str, Any]:
    """Return a volume as the official client sends it."""
    told: dict[str, Any] = Volume(type=kind, source=source, mount_path=mount_path, **more).to_dict()
    return told


def test_repositories_are_read_and_buckets_are_kept(place: Place):
    """
    A model is seen as it is at the commit and cannot be changed, a folder of it alone where that is asked;
    what is written to a bucket is there after a restart.
    """

    async def story(shop: Workshop) -> None:
        first = shop.model("tiny", **{"config.json": "old", "sub/weights.bin": "12345"})
        shop.model("tiny", **{"config.json": "new", "sub/weights.bin": "12345"})
        repo = shop.space()
        shop.hub.buckets.create(RepoId("ada", "kept"))
        shop.hub.spaces.set_volumes(
            repo,
            [
                volume("model", "ada/tiny", "/models/new"),
                volume("model", "ada/tiny", "/models/old", revision=first),
                volume("model", "ada/tiny", "/home/user/part", path="sub"),
                volume("bucket", "ada/kept", "/data"),
                volume("bucket", "ada/kept", "/closed", read_only=True),
            ],
        )
        shop.push(repo, APP)
        runtime = await shop.until(repo, Stage.RUNNING)

        async def ask(question: str) -> str:
            return (await shop.get(repo, question))[1]

        assert await ask("/read?/models/new/config.json") == "new"
        assert await ask("/read?/models/old/config.json") == "old"
        assert await ask("/read?/home/user/part/weights.bin") == "12345"
        assert await ask("/write?/models/new/config.json") in ("OSError", "PermissionError")
        assert await ask("/write?/data/notes") == "written"
        assert await ask("/write?/closed/notes") == "OSError"
        await shop.runner.restart(repo)
        await shop.until_times(repo, Stage.RUNNING, 2)
        assert await ask("/write?/data/notes") == "written"
        assert await ask("/read?/closed/notes") == "more more "
        told = runtime["spacehand"]["differences"]
        assert "the bucket `ada/kept` is a folder of this Hub, and not on huggingface.co" in told
        assert not any("is not mounted" in difference for difference in told)

    in_sandbox(place, story)


@asynccontextmanager
async def served(hub: LocalHub) -> AsyncIterator[HfApi]:
    """Answer for *hub* on a port of its own; yields the unmodified official client."""
    server = uvicorn.Server(uvicorn.Config(create_app(hub), port=0, lifespan="off", log_level="error"))
    listener = server.config.bind_socket()
    listener.listen()  # who connects before the server has started waits, and is not refused
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield HfApi(
            endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}",
            token=hub.place.token_file.read_text().strip(),
        )
    finally:
        server.should_exit = True
        await serving
        listener.close()


@pytest.mark.slow
def test_an_app_and_the_client_see_the_same_bucket(place: Place, tmp_path: Path):
    """
    What an app writes is downloaded by the client, what the client uploads is read and changed by the app. A
    bucket of its owner's organization is found by its old name, too; one of somebody else is read only.
    """

    async def story(shop: Workshop) -> None:
        async with served(shop.hub) as api:

            def fetched(path: str) -> bytes:
                api.download_bucket_files("ada/shared", [(path, tmp_path / "got")])
                return (tmp_path / "got").read_bytes()

            await asyncio.to_thread(api.create_bucket, "ada/shared", private=True)
            shop.hub.buckets.create(RepoId("eve", "open"))
            shop.hub.accounts.add_organization("team", ["ada"])
            old = shop.hub.buckets.create(RepoId("team", "old"), Visibility.PRIVATE)
            shop.hub.buckets.move(old, RepoId("team", "new"))
            repo = shop.space()
            mounts = [volume("bucket", "ada/shared", "/data"), volume("bucket", "team/old", "/team")]
            mounts.append(volume("bucket", "eve/open", "/open", read_only=True))
            shop.hub.spaces.set_volumes(repo, mounts)
            shop.push(repo, APP)
            await shop.until(repo, Stage.RUNNING)

            assert (await shop.get(repo, "/write?/data/notes"))[1] == "written"
            assert await asyncio.to_thread(fetched, "notes") == b"more "
            given = [(b"given ", "in/given")]
            await asyncio.to_thread(api.batch_bucket_files, "ada/shared", add=given)
            assert (await shop.get(repo, "/read?/data/in/given"))[1] == "given "
            assert (await shop.get(repo, "/write?/data/in/given"))[1] == "written"
            assert (await shop.get(repo, "/write?/data/in/new"))[1] == "written"
            assert await asyncio.to_thread(fetched, "in/given") == b"given more "
            assert (await shop.get(repo, "/write?/open/notes"))[1] == "OSError"
            assert (await shop.get(repo, "/write?/team/notes"))[1] == "written"
            listed = await asyncio.to_thread(lambda: list(api.list_bucket_tree("team/new")))
            assert [each.path for each in listed] == ["notes"]

    in_sandbox(place, story)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (volume("model", "ada/none", "/m"), "there is no model `ada/none` at `main` on this Hub"),
        (volume("model", "eve/secret", "/m"), "there is no model `eve/secret` at `main` on this Hub"),
        (volume("model", "eve/gated", "/m"), "there is no model `eve/gated` at `main` on this Hub"),
        (volume("bucket", "ada/none", "/m"), "there is no bucket `ada/none` on this Hub; `hf buckets create"),
        (volume("bucket", "eve/kept", "/m"), "there is no bucket `eve/kept` on this Hub"),
        (volume("bucket", "eve/open", "/m"), "`ada` may not write to the bucket `eve/open`; mount it read"),
        (volume("model", "ada/tiny", "/m", path="gone"), "ada/tiny has no folder `gone`"),
        (volume("model", "ada/tiny", "/usr/bin"), "`/usr/bin` is the system's own; take `/data`, say"),
        (volume("model", "ada/tiny", "//opt/spacehand"), "`/opt/spacehand` is the system's own"),
        (
            volume("bucket", "ada/kept", "/m", path="in"),
            "this Hub mounts whole buckets",
        ),
        (volume("model", "ada/tiny", "//data/sub"), "`/data/sub` is inside the volume at `/data`"),
    ],
)
def test_what_cannot_be_mounted_is_told(wanted: dict[str, Any], reason: str, place: Place):
    """
    What is not there, is somebody else's, or would stand in the system's place or inside another volume ends
    in RUNTIME_ERROR.
    """

    async def story(shop: Workshop) -> None:
        shop.model("tiny", **{"config.json": "{}"})
        shop.model("secret", owner="eve", visibility=Visibility.PRIVATE, **{"config.json": "{}"})
        shop.model("gated", owner="eve", **{"config.json": "{}"})
        gated = shop.hub.repos.get(RepoKind.MODEL, RepoId("eve", "gated"))
        shop.hub.repos.change(gated, visibility=Visibility.PUBLIC, gated="auto")
        for name in ("kept", "notes"):
            shop.hub.buckets.create(RepoId("ada", name))
        shop.hub.buckets.create(RepoId("eve", "kept"), Visibility.PRIVATE)
        shop.hub.buckets.create(RepoId("eve", "open"))
        repo = shop.space()
        shop.hub.spaces.set_volumes(repo, [volume("bucket", "ada/notes", "/data"), wanted])
        shop.push(repo, APP)
        runtime = await shop.until(repo, Stage.RUNTIME_ERROR)
        assert runtime["errorMessage"].startswith(f"Volume mount failed: {reason}")

    in_sandbox(place, story)


def test_without_a_sandbox_a_volume_is_a_difference(place: Place):
    """
    A plain process has no place of its own to mount to: the app starts without, and the Space says so.
    """

    async def story() -> list[str]:
        async with workshop(place, engine=ProcessEngine()) as shop:
            repo = shop.space()
            shop.hub.spaces.set_volumes(repo, [volume("bucket", str(RepoId("ada", "kept")), "/data")])
            shop.push(repo, APP)
            told: list[str] = (await shop.until(repo, Stage.RUNNING))["spacehand"]["differences"]
            return told

    assert "the volume at `/data` is not mounted" in asyncio.run(story())
