"""From a commit to a started replica: what the reconciler asks for, step by step."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from spacehand.errors import ConfigError
from spacehand.localhub.errors import HubError
from spacehand.localhub.runner.card import CannotBuildError, Sdk, SpaceCard
from spacehand.localhub.runner.engines._protocol import (
    Capabilities,
    Engine,
    Fidelity,
    Folders,
    HubAccess,
    RunSpec,
)
from spacehand.localhub.runner.environment import Hardware, Surroundings, environment
from spacehand.localhub.runner.interpreter import Choice, choose, current
from spacehand.localhub.runner.outlet import Outlet
from spacehand.localhub.runner.plan import PACKAGES, PRE_REQUIREMENTS, README, REQUIREMENTS, BuildPlan, plan
from spacehand.localhub.runner.rehearsal import before_build, before_start
from spacehand.localhub.runner.replica import Replica, static_replica
from spacehand.localhub.spaces import hardware
from spacehand.stage import Stage

if TYPE_CHECKING:
    from spacehand.localhub.hub import LocalHub
    from spacehand.localhub.repos.snapshot import Snapshot
    from spacehand.localhub.repos.store import Repo
    from spacehand.localhub.runner._protocol import RunSettings
    from spacehand.localhub.runner.builder import Built
    from spacehand.localhub.runner.logs import SpaceLog

_LARGEST_FILE = 1024 * 1024  # bytes of a README, or of a list of requirements
_LONGEST_SOCKET = 100  # characters; the system's own limit is 107
_HUB_SECONDS = 5.0  # that the Hub's own socket may take to appear when the Hub starts


def machine(flavor: str) -> Hardware:
    """Return what *flavor* gives to an app; of one that the table does not know, what cpu-basic gives."""
    known = hardware.find(flavor)
    if known is None:
        return Hardware(flavor)
    accelerator = flavor if known.accelerator else "none"
    return Hardware(flavor, str(known.cpu), f"{known.ram}Gi", accelerator)


class Build(Protocol):
    """The builder, as far as starting an app goes."""

    async def build(self, plan: BuildPlan, log: Callable[[str], None], *, factory: bool = False) -> Built: ...


@dataclass
class Launcher:
    """Builds and starts apps on this machine for every Space of one Hub."""

    hub: LocalHub
    builder: Build
    engines: tuple[Engine, ...]  # the best first
    hardware: Callable[[str], Hardware] = machine
    builds: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    _engine: tuple[Engine, Capabilities] | None = None
    _choosing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def engine(self) -> tuple[Engine, Capabilities]:
        """Return the best engine that works on this machine, tried once."""
        async with self._choosing:
            if self._engine is None:
                self._engine = await self._choose_engine()
            return self._engine

    async def prepare(
        self, repo: Repo, sha: str, log: Callable[[str], None], *, factory: bool
    ) -> tuple[BuildPlan, Built]:
        """
        Build commit *sha*.

        Raises:
            CannotBuildError: the header is wrong, or the app's file is missing.
            BuildFailedError: the requirements cannot be had.
        """
        build = await asyncio.to_thread(self._plan, repo, sha)
        await before_build(self.hub.faults, str(repo.id))
        async with self.builds:
            return build, await self.builder.build(build, log, factory=factory)

    async def start(self, repo: Repo, build: BuildPlan, built: Built, log: SpaceLog) -> Replica:
        """
        Start the app of *build*; it is not healthy yet.

        Raises:
            CannotBuildError: the settings contradict each other.
        """
        if build.card.sdk is not Sdk.STATIC:
            settings = await asyncio.to_thread(self.hub.spaces.public_settings, repo)
            await before_start(self.hub.faults, str(repo.id), settings.hardware)
        both = await asyncio.to_thread(self.hub.spaces.collisions, repo)
        if both:
            raise CannotBuildError(
                Stage.CONFIG_ERROR, f"Collision on variables and secrets names: {', '.join(both)}"
            )
        folders = Folders(self.hub.place.space(repo.id) / "replicas" / secrets.token_hex(6))
        files = asyncio.ensure_future(asyncio.to_thread(self._check_out, repo, build, folders))
        try:
            await asyncio.shield(files)
            return await self._start_in(repo, build, built, folders, log)
        except BaseException:
            # A thread cannot be stopped: what it still writes is removed when it is done.
            files.add_done_callback(lambda _: shutil.rmtree(folders.root, ignore_errors=True))
            raise

    async def _start_in(
        self, repo: Repo, build: BuildPlan, built: Built, folders: Folders, log: SpaceLog
    ) -> Replica:
        log.begin()
        log.write(f"===== Application Startup at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} =====")
        if build.card.sdk is Sdk.STATIC:
            variables = await asyncio.to_thread(self.hub.spaces.variable_values, repo)
            return static_replica(build.sha, folders.root, build.card.app_file, variables)
        return await self._start_app(repo, build, built, folders, log)

    async def _start_app(
        self, repo: Repo, build: BuildPlan, built: Built, folders: Folders, log: SpaceLog
    ) -> Replica:
        engine, _ = await self.engine()
        settings = await asyncio.to_thread(self.hub.spaces.settings, repo)
        for line in (f"fidelity: {engine.fidelity}", *self.differences(build, built, settings)):
            log.write(f"[spacehand] {line}")
        given = self.hardware(settings.hardware)
        venv = built.layer.venv if built.layer else None
        layout = engine.layout(folders, venv, build.interpreter)
        around = Surroundings(
            space=repo.id,
            title=build.card.title,
            host=urlsplit(self.hub.gateway.browser_url(repo)).netloc,
            hardware=given,
            endpoint=self.hub.endpoint,
            creator=repo.id.owner,
            variables=settings.variables,
            secrets=settings.secrets,
        )
        spec = RunSpec(
            space=str(repo.id),
            command=(build.card.app_file,),
            folders=folders,
            layout=layout,
            interpreter=build.interpreter,
            venv=venv,
            memory_bytes=given.memory_bytes,
            socket=self._socket(folders.root.name),
            hub=await self._hub_access() if engine.fidelity is not Fidelity.PROCESS else None,
            environment=environment(around, layout),
        )
        app = await engine.start(spec, Outlet(log, folders.root.name))
        replica = Replica(
            build.sha,
            folders,
            app.address,
            app,
            spec,
            engine.fidelity,
            given.memory,
            lambda: _last_words(log),
        )
        replica.guard()
        return replica

    def differences(self, build: BuildPlan, built: Built, settings: RunSettings) -> tuple[str, ...]:
        """Return how a run on this machine differs from one on huggingface.co, as far as it is known."""
        found = list(built.differences)
        if build.card.sdk is not Sdk.STATIC and self._engine is not None:
            found += self._engine[1].differences
            if self.hardware(settings.hardware).accelerator != "none":
                found.append(f"`{settings.hardware}` is asked for: the app runs on this machine's processor")
            found += [
                f"the volume at `{volume.get('mountPath')}` is not mounted" for volume in settings.volumes
            ]
        return tuple(found)

    def _plan(self, repo: Repo, sha: str) -> BuildPlan:
        try:
            snapshot = self.hub.repos.snapshot(repo, sha)
        except HubError as error:
            raise CannotBuildError(Stage.NO_APP_FILE, error.message) from error
        card = SpaceCard.parse(_file(snapshot, README))
        files = {name: _file(snapshot, name) for name in (REQUIREMENTS, PRE_REQUIREMENTS, PACKAGES)}
        found = {name: content for name, content in files.items() if content is not None}
        entry = snapshot.entry(card.app_file)
        if entry is not None and not entry.is_dir:
            found[card.app_file] = b""  # that it is there is all that a plan asks
        static = card.sdk is Sdk.STATIC
        choice = Choice(current()) if static else choose(card.python_version, any_python=self.hub.any_python)
        return plan(sha, card, found, choice)

    def _check_out(self, repo: Repo, build: BuildPlan, folders: Folders) -> None:
        folders.root.mkdir(parents=True)
        try:
            self.hub.repos.snapshot(repo, build.sha).materialize(folders.app)
        except (ConfigError, HubError) as error:
            raise CannotBuildError(Stage.CONFIG_ERROR, error.message) from error
        for folder in (folders.home, folders.temporary):
            folder.mkdir()

    async def _choose_engine(self) -> tuple[Engine, Capabilities]:
        refused: list[str] = []
        for engine in self.engines:
            found = await engine.capabilities()
            if found.works:
                differences = (*found.differences, *refused)
                return engine, Capabilities(works=True, differences=differences)
            refused.append(f"no {engine.fidelity}: {found.why_not}")
        raise CannotBuildError(Stage.CONFIG_ERROR, f"No engine works on this machine: {'; '.join(refused)}")

    async def _hub_access(self) -> HubAccess | None:
        path = self.hub.place.socket
        deadline = time.monotonic() + _HUB_SECONDS
        while not path.exists():  # a Space may come back while the Hub itself is still starting
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(0.05)
        return HubAccess(self.hub.endpoint, urlsplit(self.hub.endpoint).port or 80, path)

    def _socket(self, token: str) -> Path:
        path = self.hub.place.sockets / f"{token}.sock"
        if len(str(path)) <= _LONGEST_SOCKET:
            return path
        return Path(tempfile.mkdtemp(prefix="spacehand-")) / "app.sock"


def _file(snapshot: Snapshot, path: str) -> bytes | None:
    entry = snapshot.entry(path)
    if entry is None or entry.is_dir:
        return None
    if entry.size > _LARGEST_FILE:
        raise CannotBuildError(Stage.CONFIG_ERROR, f"`{path}` is larger than 1 MiB")
    return snapshot.read(path)


def _last_words(log: SpaceLog) -> str:
    lines = [entry.data for entry in log.lines() if not entry.data.startswith(("=====", "[spacehand]"))]
    return "".join(lines[-20:]).strip()[-2_000:]
