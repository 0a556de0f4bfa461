"""From a commit to a started replica: what the reconciler asks for, step by step."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from spacehand.errors import ConfigError
from spacehand.localhub.errors import HubError
from spacehand.localhub.runner.build import preload
from spacehand.localhub.runner.build.builder import BuildFailedError, Built
from spacehand.localhub.runner.build.plan import BuildPlan
from spacehand.localhub.runner.build.site import SiteBuilder, SiteOrder
from spacehand.localhub.runner.card import CannotBuildError, Sdk, SpaceCard
from spacehand.localhub.runner.engines._protocol import (
    App,
    Capabilities,
    Engine,
    Fidelity,
    Folders,
    HubAccess,
    ImageEngine,
    Output,
    RunSpec,
)
from spacehand.localhub.runner.engines.choice import WANTED_FOR_IMAGES, EngineChoice
from spacehand.localhub.runner.environment import Hardware, Surroundings, container_environment, environment
from spacehand.localhub.runner.images.builder import Materials
from spacehand.localhub.runner.life import scheduling, volumes
from spacehand.localhub.runner.life.commit import plan_of
from spacehand.localhub.runner.life.record import ReplicaRecord
from spacehand.localhub.runner.life.rehearsal import before_build, before_start
from spacehand.localhub.runner.life.replica import Replica, static_replica
from spacehand.localhub.runner.outlet import Nowhere, Outlet
from spacehand.localhub.spaces import hardware
from spacehand.localhub.store.removal import remove_all
from spacehand.stage import Stage

if TYPE_CHECKING:
    from spacehand.localhub.hub import LocalHub
    from spacehand.localhub.repos.store import Repo
    from spacehand.localhub.runner._protocol import RunSettings
    from spacehand.localhub.runner.logs import SpaceLog

_LONGEST_SOCKET = 100  # characters; the system's own limit is 107
_HUB_SECONDS = 5.0  # that the Hub's own socket may take to appear when the Hub starts


def machine(flavor: str) -> Hardware:
    """Return what *flavor* gives to an app; of one that the table does not know, what cpu-basic gives."""
    known = hardware.find(flavor)
    if known is None:
        return Hardware(flavor)
    accelerator = flavor if known.accelerator else "none"
    gpus = known.accelerator.quantity if known.accelerator else 0
    return Hardware(flavor, str(known.cpu), f"{known.ram}Gi", accelerator, gpus, f"{known.disk}G")


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
    containers: tuple[ImageEngine, ...] = ()  # for Spaces with a Dockerfile
    sites: SiteBuilder | None = None  # for static Spaces that are built

    def __post_init__(self) -> None:
        self._for_files: EngineChoice[Engine] = EngineChoice(self.engines)
        self._for_images: EngineChoice[ImageEngine] = EngineChoice(self.containers, WANTED_FOR_IMAGES)

    async def sweep(self) -> None:
        """Remove what containers an earlier Hub left behind."""
        for engine in self.containers:
            await engine.sweep()

    async def forget(self, uid: str) -> None:
        """Remove the images of a deleted Space."""
        for engine in self.containers:
            if (await engine.capabilities()).works:
                await engine.builder.forget(uid)

    async def prepare(
        self, repo: Repo, sha: str, log: Callable[[str], None], *, factory: bool
    ) -> tuple[BuildPlan, Built]:
        """
        Build commit *sha*.

        Raises:
            CannotBuildError: the header is wrong, or the app's file is missing.
            BuildFailedError: the requirements cannot be had.
        """
        build = await asyncio.to_thread(plan_of, self.hub, repo, sha)
        await before_build(self.hub.faults, str(repo.id))
        if build.recipe is not None:
            return build, await self._build_image(repo, build, log, factory=factory)
        if build.card.app_build_command:
            return build, await self._build_site(repo, build, log, factory=factory)
        async with self.builds:
            built = await self.builder.build(build, log, factory=factory)
        await asyncio.to_thread(preload.require, self.hub.repos, build.card.preload, log)
        return build, built

    async def start(self, repo: Repo, build: BuildPlan, built: Built, log: SpaceLog) -> Replica:
        """
        Start the app of *build*, with which *log* begins anew; it is not healthy yet.

        Raises:
            CannotBuildError: the settings contradict each other.
            UnhealthyAppError: no engine here has the hardware that is asked for.
        """
        folders = await self._laid_out(repo, build, built)
        log.begin()
        return await self._start_in(repo, build, built, folders, log)

    async def start_another(self, repo: Repo, build: BuildPlan, built: Built, log: SpaceLog) -> Replica:
        """Start one more app of *build* beside others, as `start` does, but *log* goes on."""
        folders = await self._laid_out(repo, build, built)
        return await self._start_in(repo, build, built, folders, log)

    async def _laid_out(self, repo: Repo, build: BuildPlan, built: Built) -> Folders:
        """Return the folders of a start that may be made, with the commit's files."""
        if build.card.sdk is not Sdk.STATIC:
            settings = await asyncio.to_thread(self.hub.spaces.public_settings, repo)
            await before_start(self.hub.faults, str(repo.id), settings.hardware)
            await self._require_place(build, settings.hardware)
        both = await asyncio.to_thread(self.hub.spaces.collisions, repo)
        if both:
            raise CannotBuildError(
                Stage.CONFIG_ERROR, f"Collision on variables and secrets names: {', '.join(both)}"
            )
        folders = Folders(self.hub.place.space(repo.id) / "replicas" / secrets.token_hex(6))
        files = asyncio.ensure_future(asyncio.to_thread(self._check_out, repo, build, built, folders))
        try:
            await asyncio.shield(files)
        except BaseException:
            # A thread cannot be stopped: what it still writes is removed when it is done.
            files.add_done_callback(lambda _: remove_all(folders.root))
            raise
        return folders

    async def needs_room(self, build: BuildPlan) -> bool:
        """Return whether the version before has to end first: both would listen on the same port."""
        return build.recipe is not None and (await self._engine_for(build))[1].shares_ports

    async def _require_place(self, build: BuildPlan, flavor: str) -> None:
        _, capabilities = await self._engine_for(build)
        if not capabilities.gpus and not self.hub.pretend_hardware:
            scheduling.require_gpus(flavor)
        if build.recipe is not None and capabilities.shares_ports:
            scheduling.require_port(build.recipe.port)

    async def _build_image(
        self, repo: Repo, build: BuildPlan, log: Callable[[str], None], *, factory: bool
    ) -> Built:
        engine = (await self._for_images.best()).engine
        settings = await asyncio.to_thread(self.hub.spaces.settings, repo)
        materials = Materials(
            repo.uid,
            repo.id.subdomain,
            lambda folder: self._materialize(repo, build.sha, folder),
            settings.variables,
            settings.secrets,
            lambda folder, tell: self._preload(build, folder, tell),
        )
        async with self.builds:
            return await engine.builder.build(build, materials, log, factory=factory)

    async def _build_site(
        self, repo: Repo, build: BuildPlan, log: Callable[[str], None], *, factory: bool
    ) -> Built:
        if self.sites is None:
            raise BuildFailedError("`app_build_command` cannot run: this Hub has no place for it")
        order = SiteOrder(
            self.hub.place.space(repo.id) / "site",
            lambda folder: self._materialize(repo, build.sha, folder),
            factory=factory,
        )
        async with self.builds:
            return await self.sites.build(build, order, log)

    async def _start_in(
        self, repo: Repo, build: BuildPlan, built: Built, folders: Folders, log: SpaceLog
    ) -> Replica:
        try:
            log.write(f"===== Application Startup at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} =====")
            if build.card.sdk is not Sdk.STATIC:
                return await self._start_app(repo, build, built, folders, log)
            variables = await asyncio.to_thread(self.hub.spaces.variable_values, repo)
            index = build.card.app_file if built.site is None else PurePosixPath(build.card.app_file).name
            return static_replica(build.sha, folders.root, index, variables, self._headers(build.card))
        except BaseException:
            remove_all(folders.root)
            raise

    async def _start_app(
        self, repo: Repo, build: BuildPlan, built: Built, folders: Folders, log: SpaceLog
    ) -> Replica:
        engine, capabilities = await self._engine_for(build)
        # First: a change from now on makes the app an old one.
        mark = await asyncio.to_thread(self.mark, repo)
        settings = await asyncio.to_thread(self.hub.spaces.settings, repo)
        for line in (f"fidelity: {engine.fidelity}", *self.differences(build, built, settings)):
            log.write(f"[spacehand] {line}")
        given = self.hardware(settings.hardware)
        venv = built.layer.venv if built.layer else None
        wanted = settings.volumes if capabilities.mounts else ()
        mounts = await asyncio.to_thread(volumes.prepare, self.hub, repo, wanted, folders.volumes)
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
            control=self.hub.place.sockets / f"{folders.root.name}.keep",
            hub=await self._hub_access() if engine.fidelity is not Fidelity.PROCESS else None,
            environment=(container_environment if built.image else environment)(around, layout),
            image=built.image,
            cores=float(given.cores),
            gpus=given.gpus if capabilities.gpus else 0,
            disk_bytes=given.disk_bytes,
            mounts=mounts,
        )
        app = await engine.start(spec, Outlet(log, folders.root.name))
        replica = Replica(
            build.sha,
            folders,
            app.address,
            app,
            spec,
            engine.fidelity,
            lambda: _last_words(log),
            headers=self._headers(build.card),
            settings=mark,
        )
        replica.guard()
        return replica

    async def adopt(self, record: ReplicaRecord, log: SpaceLog) -> Replica | None:
        """Return the app that an earlier Hub started and left, or None when it is no more."""
        folders = record.spec.folders
        app = await self.find(record, Outlet(log, folders.root.name))
        if app is None:
            return None
        replica = Replica(
            record.sha,
            folders,
            app.address,
            app,
            record.spec,
            Fidelity(record.engine),
            lambda: _last_words(log),
            headers=record.headers,
            settings=record.settings,
        )
        replica.guard()
        return replica

    async def find(self, record: ReplicaRecord, output: Output | None = None) -> App | None:
        """Return the app of *record* if it is still there; what it prints goes to *output*."""
        for engine in (*self.engines, *self.containers):
            if engine.fidelity.value == record.engine:
                app = await engine.adopt(record.app, record.spec, output or Nowhere())
                if app is not None:
                    return app
        return None

    def mark(self, repo: Repo) -> str:
        """Return a mark that changes with every setting of *repo*; it tells nothing of their values."""
        spaces = self.hub.spaces
        rows = [tuple(row) for row in (*spaces.variables(repo), *spaces.secrets(repo))]
        settings = spaces.public_settings(repo)
        told = f"{self.hub.endpoint} {rows} {settings.hardware} {list(settings.volumes)}"
        return hashlib.sha256(told.encode()).hexdigest()

    def differences(self, build: BuildPlan, built: Built, settings: RunSettings) -> tuple[str, ...]:
        """Return how a run on this machine differs from one on huggingface.co, as far as it is known."""
        found = list(built.differences)
        if build.card.sdk is not Sdk.STATIC:
            choice = self._for_files if build.recipe is None else self._for_images
            found += choice.differences
            if self.hardware(settings.hardware).accelerator != "none" and not choice.gives_gpus:
                found.append(f"`{settings.hardware}` is pretended: the app runs on this machine's processor")
            found += volumes.differences(settings.volumes, are_mounted=choice.mounts_volumes)
        return tuple(found)

    def _headers(self, card: SpaceCard) -> dict[str, str]:
        """Return what is added to each answer of the app."""
        if card.may_be_embedded:
            return dict(card.headers)
        port = urlsplit(self.hub.endpoint).port
        pages = f"http://127.0.0.1:{port} http://localhost:{port}"  # the Space's own page has it in a frame
        return {**card.headers, "content-security-policy": f"frame-ancestors 'self' {pages}"}

    def _check_out(self, repo: Repo, build: BuildPlan, built: Built, folders: Folders) -> None:
        folders.root.mkdir(parents=True)
        if build.recipe is not None:
            return  # an image has its files inside
        if built.site is not None:
            shutil.copytree(built.site, folders.app, symlinks=True)
            return
        self._materialize(repo, build.sha, folders.app)
        for folder in (folders.home, folders.temporary):
            folder.mkdir()
        preload.fill(self.hub.repos, build.card.preload, folders.home / preload.CACHE)

    def _preload(self, build: BuildPlan, cache: Path, log: Callable[[str], None]) -> None:
        preload.require(self.hub.repos, build.card.preload, log)
        preload.fill(self.hub.repos, build.card.preload, cache)

    def _materialize(self, repo: Repo, sha: str, folder: Path) -> None:
        try:
            self.hub.repos.snapshot(repo, sha).materialize(folder)
        except (ConfigError, HubError) as error:
            raise CannotBuildError(Stage.CONFIG_ERROR, error.message) from error

    async def _engine_for(self, build: BuildPlan) -> tuple[Engine, Capabilities]:
        if build.recipe is not None:
            image_trial = await self._for_images.best()
            return image_trial.engine, image_trial.capabilities
        trial = await self._for_files.best()
        return trial.engine, trial.capabilities

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


def _last_words(log: SpaceLog) -> str:
    lines = [entry.data for entry in log.lines() if not entry.data.startswith(("=====", "[spacehand]"))]
    return "".join(lines[-20:]).strip()[-2_000:]
