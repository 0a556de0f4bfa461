"""Builds and runs the Spaces of one Hub."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacehand.ids import RepoKind
from spacehand.localhub.egress import Egress
from spacehand.localhub.errors import HubError
from spacehand.localhub.faults.kind import FaultKind
from spacehand.localhub.runner import wire
from spacehand.localhub.runner.build.builder import Builder
from spacehand.localhub.runner.build.layer import Layers
from spacehand.localhub.runner.build.plan import README
from spacehand.localhub.runner.build.quarantine import Quarantine
from spacehand.localhub.runner.build.site import SiteBuilder
from spacehand.localhub.runner.card import CannotBuildError, SpaceCard
from spacehand.localhub.runner.crew import Crew
from spacehand.localhub.runner.engines.roster import Roster
from spacehand.localhub.runner.engines.web_proxy import WebProxy
from spacehand.localhub.runner.life.bedtime import Bedtime
from spacehand.localhub.runner.life.launch import Launcher
from spacehand.localhub.runner.life.orphanage import Orphanage
from spacehand.localhub.runner.life.reconciler import Measure, Order, Reconciler
from spacehand.localhub.runner.life.state import SCHEMA, RunStates
from spacehand.localhub.spaces.store import gc_timeout
from spacehand.localhub.store.removal import remove_all
from spacehand.stage import Stage

if TYPE_CHECKING:
    from spacehand.localhub.hub import LocalHub
    from spacehand.localhub.repos.store import Repo
    from spacehand.localhub.runner.logs import LogEntry, SpaceLog

__all__ = ["Runner", "schema"]

schema = SCHEMA  # `hub.py` passes it to the Database


class Runner:
    """
    Every Space's builder, app process and stage.

    Made before the server's event loop runs; `start` and `stop` frame its life inside the loop.
    """

    def __init__(self, hub: LocalHub, *, crew: Crew | None = None) -> None:
        self._hub = hub
        self._layers = Layers(hub.place.layers)
        self._crew = crew or self._usual_crew()
        self._lock = threading.Lock()
        self._spaces: dict[str, Reconciler] = {}  # by the repository's uid
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bedtime = Bedtime(hub, lambda: list(self._spaces.values()), self._crew.rest)
        self._idle: asyncio.Task[None] | None = None
        self._web = WebProxy(hub.place.web_socket) if hub.egress is Egress.WEB else None
        self._moves: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Adopt or end what a killed Hub left behind, and bring every Space back to where it should be."""
        self._loop = asyncio.get_running_loop()
        if self._web is not None:
            await self._web.start()
        spaces = await asyncio.to_thread(self._hub.repos.list, RepoKind.SPACE)
        adopted = await Orphanage(self._hub, self._crew).take_in([self._space(repo) for repo in spaces])
        await self._crew.launcher.sweep()
        await asyncio.to_thread(self._sweep, adopted)
        await asyncio.to_thread(self._forget_deleted, spaces)
        for repo in spaces:
            await self._resume(repo)
        self._idle = asyncio.create_task(self._bedtime.run())

    async def stop(self) -> None:
        """Stop all apps and builds; the Spaces come back at the next `start`."""
        self._loop = None
        if self._idle is not None:
            self._idle.cancel()
        await asyncio.gather(*(space.close() for space in self._spaces.values()))
        if self._web is not None:
            await self._web.stop()

    # What moves a Space

    def pushed(self, repo: Repo, branch: str, sha: str) -> None:
        """Build *sha* if *branch* is a Space's ``main``; callable from any thread, returns at once."""
        if repo.kind is not RepoKind.SPACE or branch != "main":
            return
        space = self._space(repo)
        space.expect(sha)
        if space.state.stage is not Stage.PAUSED:
            self._call(lambda: space.obey(Order(sha)))

    async def pause(self, repo: Repo) -> None:
        """Stop the app until `restart`."""
        await asyncio.to_thread(self._hub.spaces.set_paused, repo, paused=True)
        await self._space(repo).rest(Stage.PAUSED)

    async def sleep(self, repo: Repo) -> None:
        """Let the app sleep until the next request: without processor time at first, later without memory."""
        await self._space(repo).sleep()

    async def restart(self, repo: Repo, *, factory: bool = False) -> None:
        """Start the app anew, waking or resuming it; *factory* also builds it anew, without its layer."""
        paused = self._space(repo).state.stage is Stage.PAUSED
        if paused and self._hub.faults.take(FaultKind.STALE_PAUSED, str(repo.id)):
            return
        await asyncio.to_thread(self._hub.spaces.set_paused, repo, paused=False)
        space = self._space(repo)
        head = await asyncio.to_thread(self._head, repo)
        if head is not None:
            space.come_back(head)
            space.obey(Order(head, factory=factory))

    async def wake(self, repo: Repo) -> None:
        """Start a sleeping app, and return when it answers or has failed; does nothing to others."""
        space = self._space(repo)
        if self._loop is None:
            return  # the Hub stops: what would start now would outlive it
        if space.state.stage is Stage.SLEEPING and not await space.rouse() and not space.is_paused:
            await self.restart(repo)
        await space.settled()

    async def settings_changed(self, repo: Repo, *, rebuild: bool = False) -> None:
        """Restart the app with the settings as they are now; a paused or sleeping one stays so."""
        space = self._space(repo)
        is_resting = space.state.stage in (Stage.PAUSED, Stage.SLEEPING)
        if is_resting:
            await space.deepen()  # what is frozen has the settings of before
        sha = space.state.sha
        if sha is None or (is_resting and not space.is_serving):  # a request may have woken it meanwhile
            space.changed.ring()
            return
        space.come_back()
        space.obey(Order(sha, factory=rebuild))

    async def replicas_changed(self, repo: Repo) -> None:
        """Start or end the difference, while the others go on; who sleeps or is paused does so later."""
        space = self._space(repo)
        if space.is_serving:
            space.complete()
        space.changed.ring()

    async def delete(self, repo: Repo) -> None:
        """Stop the app and remove what the runner kept of it."""
        space = self._space(repo)
        await space.delete()
        await self._crew.launcher.forget(repo.uid)
        with self._lock:
            self._spaces.pop(repo.uid, None)

    def renamed(self, before: Repo, after: Repo) -> None:
        """Go on under the new name; the app restarts with it in its environment."""
        space = self._space(before)

        async def move() -> None:
            await space.rename(after)
            await self._resume(after)

        def begin() -> None:
            task = asyncio.ensure_future(move())
            self._moves.add(task)
            task.add_done_callback(self._moves.discard)

        self._call(begin)

    # What is known of a Space

    def runtime(self, repo: Repo) -> dict[str, Any]:
        """Return the runtime as the Hub's API spells it, with a key ``spacehand`` of our own."""
        state = self._space(repo).state
        settings = self._hub.spaces.public_settings(repo)
        return wire.runtime(
            state,
            settings,
            host=self._hub.gateway.browser_url(repo).partition("://")[2],
            gc_timeout=gc_timeout(settings),
            differences=[*state.differences, *self._hub.gateway.differences(repo)],
            faults=[fault.says() for fault in self._hub.faults.on(str(repo.id))],
        )

    def describe(self, repo: Repo) -> dict[str, Any]:
        """Return ``sdk``, ``subdomain``, ``host`` and ``runtime``, as space_info shows them."""
        return {
            "sdk": self._space(repo).state.sdk or self._sdk(repo),
            "subdomain": repo.id.subdomain,
            "host": self.app_url(repo),
            "runtime": self.runtime(repo),
        }

    def app_url(self, repo: Repo) -> str:
        """Return the Space's own loopback URL."""
        return self._hub.gateway.app_url(repo)

    def logs(self, repo: Repo, kind: str) -> AsyncIterator[LogEntry]:
        """Yield every line kept of the ``build`` or ``run`` log in stable order, then each new one."""
        return self.log(repo, kind).follow()

    def log(self, repo: Repo, kind: str) -> SpaceLog:
        """Return the ``build`` or ``run`` log itself."""
        return self._space(repo).logs[kind]

    def stages(self, repo: Repo) -> list[tuple[str, str]]:
        """Return every change of stage that is kept as ``(time, stage)``, oldest first."""
        return self._crew.states.stages(repo.uid)

    async def events(self, repo: Repo) -> AsyncIterator[dict[str, Any]]:
        """Yield the runtime as it is now, then each time it changes."""
        space = self._space(repo)
        shown: dict[str, Any] | None = None
        while True:
            news = space.changed.listen()
            try:
                runtime = await asyncio.to_thread(self.runtime, space.repo)
                if runtime != shown:
                    shown = runtime
                    yield runtime
                await news
            finally:
                space.changed.forget(news)

    async def metrics(self, repo: Repo) -> AsyncIterator[dict[str, Any]]:
        """
        Yield about once a second what each replica uses, as the Hub's jobs tell it; nothing while none runs.

        100 per cent is one processor. Shared memory of the app's processes counts once.
        """
        space = self._space(repo)
        before: dict[str, Measure] = {}
        at = 0.0
        while True:
            found, now = await asyncio.to_thread(space.measure), time.monotonic()
            cores = self._crew.launcher.hardware(self._hub.spaces.public_settings(space.repo).hardware).cores
            for one in found:
                if one.replica in before:
                    used = max(0.0, one.cpu_seconds - before[one.replica].cpu_seconds)
                    yield {
                        "cpu_usage_pct": round(100 * used / (now - at), 1),
                        "cpu_millicores": int(float(cores) * 1000),
                        "memory_used_bytes": one.memory_bytes,
                        "memory_total_bytes": one.memory_limit,
                        "replica": one.replica,
                    }
            before, at = {one.replica: one for one in found}, now
            await asyncio.sleep(self._crew.pace.between_measures)

    def look_anew(self) -> None:
        """Show everybody who follows a Space what has changed around it."""
        for space in list(self._spaces.values()):
            space.changed.ring()

    # Life of the Hub

    def _usual_crew(self) -> Crew:
        place = self._hub.place
        roster = Roster.of(place, self._hub.egress, self._hub.engine)
        builder = Builder(self._layers, place.layers / "solves", unsafe=self._hub.unsafe_builds)
        closed = (place.root, Path.home())
        builder.quarantine = Quarantine(roster.sandbox, builder.uv, builder.environment, closed)
        sites = SiteBuilder(self._layers, builder.quarantine, unsafe=self._hub.unsafe_builds)
        launcher = Launcher(self._hub, builder, roster.files, containers=roster.images, sites=sites)
        return Crew(launcher, RunStates(self._hub.database), self._layers)

    def _sweep(self, adopted: set[str]) -> None:
        """Remove the files of what a killed Hub left behind, but for the apps *adopted*."""
        self._layers.sweep()
        remove_all(self._hub.place.images / "builds")
        self._layers.prune(self._crew.states.layers())
        for folder in self._hub.place.spaces.glob("*/*/replicas/*"):
            if folder.name not in adopted:
                remove_all(folder)
        for path in self._hub.place.sockets.iterdir():
            if path.stem not in adopted:
                path.unlink(missing_ok=True)

    def _forget_deleted(self, spaces: list[Repo]) -> None:
        """Remove what is left of Spaces that were deleted, or moved, just when the Hub was killed."""
        self._crew.states.forget_others({repo.uid for repo in spaces})
        kept = {self._hub.place.space(repo.id) for repo in spaces}
        for folder in self._hub.place.spaces.glob("*/*"):
            if folder not in kept:
                remove_all(folder)

    async def _resume(self, repo: Repo) -> None:
        """Begin to bring a Space back to where it was; what was pushed unseen is built."""
        space = self._space(repo)
        state = space.state
        head = await asyncio.to_thread(self._head, repo)
        resting = state.stage is Stage.PAUSED or (state.stage is Stage.SLEEPING and state.sha == head)
        if head is None or resting or (state.sha is None and await asyncio.to_thread(self._is_first, repo)):
            return
        is_up = space.is_serving and state.stage is Stage.RUNNING and not space.is_outdated
        if state.sha == head and (is_up or state.stage.is_error):
            if space.is_serving:
                space.complete()
            elif state.serving is not None:
                space.obey(Order(state.serving, restores=True))
            return
        space.come_back(head)
        space.obey(Order(head))

    # Small questions

    def _space(self, repo: Repo) -> Reconciler:
        with self._lock:
            found = self._spaces.get(repo.uid)
            if found is None:
                found = self._spaces[repo.uid] = Reconciler(repo, self._crew)
            return found

    def _head(self, repo: Repo) -> str | None:
        try:
            return self._hub.repos.snapshot(repo, "main").sha
        except HubError:
            return None

    def _is_first(self, repo: Repo) -> bool:
        """Whether ``main`` is still at a Space's first commit, which is its Hub's and no push."""
        try:
            return not self._hub.repos.snapshot(repo, "main").commit.parents
        except HubError:
            return True

    def _sdk(self, repo: Repo) -> str:
        """Return what the header of a Space says that was never built."""
        with contextlib.suppress(CannotBuildError, HubError):
            readme = self._hub.repos.snapshot(repo, "main").text(README)
            return SpaceCard.parse((readme or "").encode()).sdk.value
        return "gradio"

    def _call(self, action: Any) -> None:
        """Run *action* in the event loop, from whatever thread; a Hub that is stopping has no use for it."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(action)
