"""A Hub whose runner does as a test says, served from a thread to the official client."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from huggingface_hub import HfApi

from spacehand.localhub.app import create_app
from spacehand.localhub.hub import LocalHub
from spacehand.localhub.repos.store import Repo
from spacehand.localhub.runner.bell import Bell
from spacehand.localhub.runner.logs import LogEntry
from spacehand.localhub.server import listen
from spacehand.localhub.spaces.store import gc_timeout
from spacehand.localhub.store.place import Place
from spacehand.stage import Stage


@dataclass
class ScriptedRunner:
    """Says *stage* and *sdk*, keeps a list of what it was told, and plays back *lines*."""

    hub: LocalHub
    stage: Stage = Stage.RUNNING
    sdk: str = "gradio"
    told: list[tuple[Any, ...]] = field(default_factory=list)
    lines: list[LogEntry] = field(default_factory=list)
    ended: bool = False  # whether the log ends after its lines
    changed: Bell = field(default_factory=Bell)
    extra: dict[str, Any] = field(default_factory=dict)

    loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        self.loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        pass

    def runtime(self, repo: Repo) -> dict[str, Any]:
        settings = self.hub.spaces.public_settings(repo)
        return {
            "stage": "PAUSED" if settings.paused else self.stage.value,
            "hardware": {"current": None, "requested": settings.hardware},
            "gcTimeout": gc_timeout(settings),
            "storage": None,
            "replicas": {"current": settings.replicas, "requested": settings.replicas},
            "volumes": list(settings.volumes) or None,
            **self.extra,
        }

    def describe(self, repo: Repo) -> dict[str, Any]:
        return {
            "sdk": self.sdk,
            "subdomain": repo.id.subdomain,
            "host": self.hub.gateway.app_url(repo),
            "runtime": self.runtime(repo),
        }

    async def pause(self, repo: Repo) -> None:
        self.told.append(("pause", str(repo.id)))
        self.hub.spaces.set_paused(repo, paused=True)

    async def restart(self, repo: Repo, *, factory: bool = False) -> None:
        self.told.append(("restart", str(repo.id), factory))
        self.hub.spaces.set_paused(repo, paused=False)

    async def settings_changed(self, repo: Repo, *, rebuild: bool = False) -> None:
        self.told.append(("settings", str(repo.id), rebuild))

    async def replicas_changed(self, repo: Repo) -> None:
        self.told.append(("replicas", str(repo.id)))

    async def delete(self, repo: Repo) -> None:
        self.told.append(("delete", str(repo.id)))

    def renamed(self, before: Repo, after: Repo) -> None:
        self.told.append(("renamed", str(before.id), str(after.id)))

    async def logs(self, _repo: Repo, kind: str) -> AsyncIterator[LogEntry]:
        self.told.append(("logs", kind))
        for line in self.lines:
            yield line
        try:
            if not self.ended:
                await asyncio.Event().wait()
        finally:
            self.told.append(("left", kind))

    async def events(self, repo: Repo) -> AsyncIterator[dict[str, Any]]:
        while True:
            news = self.changed.listen()
            yield self.runtime(repo)
            await news


@dataclass
class ScriptedHub:
    """The Hub, its address, and clients of it."""

    hub: LocalHub
    runner: ScriptedRunner
    url: str

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where the Hub's coroutines live; a client must have asked it something first."""
        assert self.runner.loop is not None
        return self.runner.loop

    @property
    def token(self) -> str:
        return self.hub.place.token_file.read_text().strip()

    @property
    def api(self) -> HfApi:
        """The unmodified official client, with the owner's token."""
        return HfApi(endpoint=self.url, token=self.token)

    def api_of(self, user: str, role: str = "write") -> HfApi:
        """The client of another user."""
        name = self.hub.accounts.add_user(user).name
        return HfApi(endpoint=self.url, token=self.hub.accounts.add_token(name, role=role))

    def space(self, name: str = "demo", **options: Any) -> str:
        """Make a Space of ada's."""
        space = f"ada/{name}"
        self.api.create_repo(space, repo_type="space", space_sdk=self.runner.sdk, **options)
        return space


@contextmanager
def scripted_hub(folder: Path) -> Iterator[ScriptedHub]:
    """Serve a Hub with a `ScriptedRunner` until the end of the block."""
    listener = listen(0)
    listener.listen()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    hub = LocalHub.open(Place(folder), owner="ada", endpoint=url)
    runner = ScriptedRunner(hub)
    hub.runner = runner  # type: ignore[assignment]
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(hub),
            http="httptools",
            ws="websockets-sansio",
            log_level="warning",
            date_header=False,
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield ScriptedHub(hub, runner, url)
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
        hub.close()
