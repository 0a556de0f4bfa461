"""A Hub whose Spaces really run, as plain processes of the standard library, without installing anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psutil
import pygit2

from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.localhub.errors import HubError
from spacehand.localhub.hub import LocalHub
from spacehand.localhub.repos.store import Repo
from spacehand.localhub.runner.build.builder import BuildFailedError, Built, queued_line
from spacehand.localhub.runner.build.layer import Layers
from spacehand.localhub.runner.build.package_index import uv_environment
from spacehand.localhub.runner.build.plan import BuildPlan
from spacehand.localhub.runner.build.quarantine import Quarantine
from spacehand.localhub.runner.build.site import SiteBuilder
from spacehand.localhub.runner.crew import Crew
from spacehand.localhub.runner.engines._protocol import Engine, ImageEngine
from spacehand.localhub.runner.engines.process import ProcessEngine
from spacehand.localhub.runner.engines.sandbox import SandboxEngine
from spacehand.localhub.runner.environment import Hardware
from spacehand.localhub.runner.life.bedtime import Rest
from spacehand.localhub.runner.life.health import Pace
from spacehand.localhub.runner.life.launch import Launcher, machine
from spacehand.localhub.runner.life.state import RunStates
from spacehand.localhub.runner.runner import Runner
from spacehand.localhub.store.place import Place
from spacehand.stage import Stage

README = "---\ntitle: Demo\nsdk: gradio\nsdk_version: 6.31.0\n{more}---\n"
QUICK = Pace(between_looks=0.02, between_answers=0.1, between_port_looks=0.05, wrong_listener=0.5)


@dataclass
class BareBuilder:
    """Installs nothing; fails where requirements say `fail`, and waits where they say `wait`."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    built: list[str] = field(default_factory=list)
    factory: list[bool] = field(default_factory=list)

    async def build(self, plan: BuildPlan, log: Callable[[str], None], *, factory: bool = False) -> Built:
        log(queued_line(plan.sha, 0))
        if "wait" in plan.requirements:
            await self.go.wait()
        if "fail" in plan.requirements:
            log("ERROR: no such thing")
            raise BuildFailedError("Job failed with exit code: 1. Reason: cache miss: [pip]")
        self.built.append(plan.sha)
        self.factory.append(factory)
        return Built(None, plan.differences)


@dataclass
class Workshop:
    """The Hub, and what a test does to it."""

    hub: LocalHub
    builder: BareBuilder
    web: aiohttp.ClientSession
    sites: SiteBuilder

    @property
    def runner(self) -> Runner:
        return self.hub.runner

    def space(self, name: str = "demo") -> Repo:
        def configure(connection: Any, repo: Repo) -> None:
            self.hub.spaces.configure_new(connection, repo, {})

        return self.hub.repos.create(
            RepoKind.SPACE, RepoId("ada", name), sdk="gradio", before_commit=configure
        )

    def push(self, repo: Repo, app: str | None, *, more: str = "", **files: str) -> str:
        """Commit a Space's files to main and announce it; *more* goes into the header."""
        everything = {"README.md": README.format(more=more)} | {
            name.replace("_txt", ".txt"): text for name, text in files.items()
        }
        if "README" in files:
            everything["README.md"] = everything.pop("README")
        if app is not None:
            everything["app.py"] = app
        sha = self._commit(repo, everything)
        self.hub.announce(repo, "main", sha)
        return sha

    def model(
        self, name: str, *, owner: str = "ada", visibility: Visibility = Visibility.PUBLIC, **files: str
    ) -> str:
        """Commit *files* to a model, which is made if it is not there."""
        try:
            repo = self.hub.repos.get(RepoKind.MODEL, RepoId(owner, name))
        except HubError:
            repo = self.hub.repos.create(RepoKind.MODEL, RepoId(owner, name), visibility=visibility)
        return self._commit(repo, files)

    def _commit(self, repo: Repo, files: Mapping[str, str]) -> str:
        git = self.hub.repos.git(repo)
        index = pygit2.Index()
        for name, text in files.items():
            blob = git.create_blob(text.encode())
            index.add(pygit2.IndexEntry(name, blob, pygit2.GIT_FILEMODE_BLOB))
        who = pygit2.Signature("ada", "ada@localhost")
        parent = git.lookup_reference("refs/heads/main").target
        tree = index.write_tree(git)
        return str(git.create_commit("refs/heads/main", who, who, "change", tree, [parent]))

    async def until(self, repo: Repo, *stages: Stage, sha: str | None = None) -> dict[str, Any]:
        """Return the runtime once its stage is one of *stages*; fail at once on another that is an error."""
        seen = []
        async for runtime in self.runner.events(repo):
            stage = Stage(runtime["stage"])
            seen.append(stage)
            if stage in stages and sha in (None, runtime.get("sha")):
                return runtime
            assert not stage.is_error, f"{seen}: {runtime.get('errorMessage')}"
        raise AssertionError

    async def until_times(self, repo: Repo, stage: Stage, times: int) -> None:
        """Return once the Space has been at *stage* so many times; events may skip a short one."""
        async for _ in self.runner.events(repo):
            if [seen for _, seen in self.runner.stages(repo)].count(stage.value) >= times:
                return

    async def get(self, repo: Repo, path: str = "/") -> tuple[int, str]:
        async with self.web.get(self.runner.app_url(repo) + path) as answer:
            return answer.status, await answer.text()

    def log(self, repo: Repo, kind: str = "run") -> str:
        return "".join(entry.data for entry in self.runner.log(repo, kind).lines())


@asynccontextmanager
async def workshop(
    place: Place,
    *,
    engine: Engine | None = None,
    hardware: Callable[[str], Hardware] = machine,
    pace: Pace = QUICK,
    pauses: tuple[float, ...] = (0.05, 0.05),
    rest: Rest | None = None,
    builder: BareBuilder | None = None,
    containers: tuple[ImageEngine, ...] = (),
) -> AsyncIterator[Workshop]:
    others = psutil.Process().children(recursive=True)  # a Hub that all tests of this session share
    with closing(LocalHub.open(place, owner="ada", endpoint="http://127.0.0.1:7870")) as hub:
        builder = builder or BareBuilder()
        uv = uv_environment()
        quarantine = Quarantine(SandboxEngine(), "/usr/bin/true", uv, (place.root,))
        sites = SiteBuilder(Layers(place.layers), quarantine)
        files = (engine or ProcessEngine(),)
        launcher = Launcher(hub, builder, files, hardware, containers=containers, sites=sites)
        crew = Crew(
            launcher, RunStates(hub.database), pace=pace, pauses=pauses, drain_seconds=5, rest=rest or Rest()
        )
        hub.runner = Runner(hub, crew=crew)
        hub.pushed = [hub.runner.pushed]
        await hub.start()
        async with aiohttp.ClientSession() as web:
            try:
                yield Workshop(hub, builder, web, sites)
            finally:
                await hub.stop()
                # The rule that every story keeps: what ran here does not outlive the Hub.
                assert set(psutil.Process().children(recursive=True)) <= set(others)
