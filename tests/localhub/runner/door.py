"""A gateway over real stores, with a runner that only keeps count, and apps that tell what they were sent."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.localhub.accounts import store as accounts_store
from spacehand.localhub.accounts.store import Accounts
from spacehand.localhub.faults.store import Faults
from spacehand.localhub.repos import store as repos_store
from spacehand.localhub.repos.store import Repo, Repos
from spacehand.localhub.runner.address import SocketAddress
from spacehand.localhub.runner.gateway.gateway import Gateway
from spacehand.localhub.spaces import store as spaces_store
from spacehand.localhub.spaces.store import Spaces
from spacehand.localhub.store.database import Database
from spacehand.localhub.store.keys import Keys
from spacehand.localhub.store.place import Place
from spacehand.stage import Stage


@dataclass
class CountingRunner:
    """Says the stage it was given, and calls *on_wake* when the gateway wakes a Space."""

    stage: Stage = Stage.RUNNING
    error: str | None = None
    wakes: int = 0
    on_wake: Callable[[Repo], Awaitable[None]] | None = None

    def runtime(self, _repo: Repo) -> dict[str, Any]:
        return {"stage": self.stage.value, **({"errorMessage": self.error} if self.error else {})}

    async def wake(self, repo: Repo) -> None:
        self.wakes += 1
        if self.on_wake is not None:
            await self.on_wake(repo)


@dataclass
class Door:
    """One gateway and what stands behind it."""

    hub: Any
    gateway: Gateway
    client: aiohttp.ClientSession
    runner: CountingRunner
    folder: Path
    apps: list[web.AppRunner] = field(default_factory=list)

    def space(self, name: str = "demo", visibility: Visibility = Visibility.PUBLIC) -> Repo:
        """Make a Space of ada's."""
        repo: Repo = self.hub.repos.create(
            RepoKind.SPACE,
            RepoId("ada", name),
            visibility,
            "gradio",
            lambda connection, repo: self.hub.spaces.configure_new(connection, repo, {}),
        )
        return repo

    async def app(self, name: str = "app", handler: Any = None) -> SocketAddress:
        """Start an app on a unix socket; without *handler* it answers what it was sent."""
        application = web.Application(client_max_size=1 << 40)
        application.router.add_route("*", "/{path:.*}", handler or tell)
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        path = self.folder / f"{name}.sock"
        await web.UnixSite(runner, str(path)).start()
        self.apps.append(runner)
        return SocketAddress(path)

    def url(self, repo: Repo, path: str = "/") -> str:
        return self.gateway.app_url(repo) + path

    async def get(self, repo: Repo, path: str = "/", **options: Any) -> tuple[int, str]:
        async with self.client.get(self.url(repo, path), **options) as answer:
            return answer.status, await answer.text()


async def tell(request: web.Request) -> web.Response:
    """Answer what was sent: the request line, headers in order, and the body's hash."""
    digest, size = hashlib.sha256(), 0
    async for chunk in request.content.iter_any():
        digest.update(chunk)
        size += len(chunk)
    return web.json_response(
        {
            "method": request.method,
            "target": request.raw_path,
            "headers": [[name.decode(), value.decode()] for name, value in request.raw_headers],
            "sha256": digest.hexdigest(),
            "size": size,
        }
    )


def open_hub(folder: Path) -> Any:
    """Open the stores of a Hub in *folder*."""
    place = Place(folder / "hub")
    place.create()
    schemas = [accounts_store.SCHEMA, repos_store.SCHEMA, spaces_store.SCHEMA]
    database = Database(place.database, schemas)
    keys = Keys(place.key_file)
    return SimpleNamespace(
        place=place,
        database=database,
        keys=keys,
        accounts=Accounts(database, place.token_file, owner="ada"),
        repos=Repos(database, place, None),  # type: ignore[arg-type]
        spaces=Spaces(database, keys),
        runner=CountingRunner(),
        faults=Faults(),
        endpoint="http://127.0.0.1:7870",
        token=place.token_file.read_text().strip(),
    )


@asynccontextmanager
async def open_door(folder: Path) -> AsyncIterator[Door]:
    """A gateway that listens; everything is closed at the end."""
    hub = open_hub(folder)
    gateway = Gateway(hub)
    await gateway.start()
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        door = Door(hub, gateway, client, hub.runner, folder)
        try:
            yield door
        finally:
            await gateway.stop()
            for app in door.apps:
                await app.cleanup()


def run(coroutine: Any) -> Any:
    """Run a test's coroutine; a test that hangs fails after a minute."""
    return asyncio.run(asyncio.wait_for(coroutine, 60))


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
