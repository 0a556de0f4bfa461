"""One Space's life: what should run, what runs, and the way from one to the other."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from spacehand.localhub.runner.bell import Bell
from spacehand.localhub.runner.build.builder import BuildFailedError, Built
from spacehand.localhub.runner.card import CannotBuildError
from spacehand.localhub.runner.crew import Crew
from spacehand.localhub.runner.life.duty import Duty
from spacehand.localhub.runner.life.health import UnhealthyAppError
from spacehand.localhub.runner.life.replica import AppEndedError, Replica
from spacehand.localhub.runner.logs import SpaceLog
from spacehand.localhub.wire_time import now
from spacehand.stage import Stage

if TYPE_CHECKING:
    from spacehand.localhub.repos.store import Repo
    from spacehand.localhub.runner.build.interpreter import Interpreter
    from spacehand.localhub.runner.build.layer import Layer, Layers
    from spacehand.localhub.runner.build.plan import BuildPlan
    from spacehand.localhub.runner.life.state import RunState

_logger = logging.getLogger(__name__)
_FORGIVEN_SECONDS = 600.0  # after this long without a crash, earlier ones do not count


@dataclass(frozen=True, slots=True)
class Order:
    """One wish to have *sha* running; a newer order ends an older one's work."""

    sha: str
    factory: bool = False  # build anew, without the layer
    restores: bool = False  # serve an older commit, while the stage goes on telling of a newer one's failure
    delay: float = 0.0  # seconds


@dataclass(frozen=True, slots=True)
class Measure:
    """What one replica has used at one moment."""

    replica: str
    cpu_seconds: float
    memory_bytes: int
    memory_limit: int


class Reconciler:
    """
    Brings one Space to where it should be.

    `expect` may be called from any thread; all else belongs to the event loop. An order runs in a task of its
    own; the next order cancels it, so what is stale can never serve.
    """

    def __init__(self, repo: Repo, crew: Crew) -> None:
        self.repo = repo
        self.changed = Bell()
        self._crew = crew
        self._hub = crew.launcher.hub
        self._lock = threading.RLock()
        self._state = crew.states.load(repo.uid)
        self._task: asyncio.Task[None] | None = None
        self._duty = Duty(repo, crew)
        self._watching: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[Any]] = set()  # may be cancelled at any time
        self._crashes: list[float] = []
        self._open_logs()

    @property
    def state(self) -> RunState:
        return self._state

    @property
    def started(self) -> float | None:
        """When the app that serves was started (unix time)."""
        return self._duty.serving.started if self._duty.serving else None

    @property
    def is_dozing(self) -> bool:
        """An app sleeps that could go on at once."""
        return self._duty.dozing is not None

    @property
    def is_outdated(self) -> bool:
        """The app that answers was started with other settings than the Space has now."""
        replica = self._duty.serving
        return replica is not None and replica.settings != self._crew.launcher.mark(self.repo)

    @property
    def is_serving(self) -> bool:
        """An app answers."""
        return self._duty.serving is not None

    def measure(self) -> Measure | None:
        """Return what the app that serves uses now, None where none does; slow, so not for the loop."""
        replica = self._duty.serving
        if replica is None or replica.app is None or replica.spec is None:
            return None
        app, limit = replica.app, replica.spec.memory_bytes
        return Measure(replica.folders.root.name, app.cpu_seconds(), app.memory(0), limit)

    # Orders

    def expect(self, sha: str) -> None:
        """Show at once that *sha* is on its way; a paused Space only remembers it."""
        if self._state.stage is Stage.PAUSED:
            self._set(sha=sha)
        else:
            self._set(stage=self._now(Stage.BUILDING), sha=sha, error=None)

    def come_back(self, sha: str | None = None) -> None:
        """Show that the app is on its way again: at the commit it had, or at *sha*."""
        sha = sha or self._state.sha
        built = sha is not None and self._state.built == sha
        stage = Stage.APP_STARTING if built else Stage.BUILDING
        self._set(stage=self._now(stage), sha=sha, serving=self._serving_sha, error=None)

    def obey(self, order: Order) -> None:
        """Work on *order* instead of whatever is under way."""
        earlier, self._task = self._task, None
        if earlier is not None:
            earlier.cancel()
        self._task = asyncio.create_task(self._carry_out(order, earlier))

    async def rest(self, stage: Stage) -> None:
        """Stop the app and show *stage*: PAUSED or SLEEPING."""
        await self._end_work()
        # First, so that a request which comes while the app stops wakes it, or is told why it does not.
        self._set(stage=stage, serving=None, replica=None, error=None, hardware=None)
        self._watch_no_more()
        await self._duty.stand_down()

    async def sleep(self) -> None:
        """Freeze the app until it is asked for; see `deepen`."""
        busy = self._task is not None and not self._task.done()
        if busy or self._duty.serving is None or self._duty.serving.app is None:
            await self.rest(Stage.SLEEPING)
            return
        self._set(stage=Stage.SLEEPING, serving=None, error=None, hardware=None)
        await self._duty.doze()

    async def deepen(self) -> None:
        """End a frozen app, for its memory; asked for, it starts anew."""
        await self._duty.deepen()

    async def rouse(self) -> bool:
        """Let a frozen app answer again, and return whether there is one."""
        replica = await self._duty.rouse()
        if replica is None:
            return False
        hardware = self._hub.spaces.public_settings(self.repo).hardware
        stage = Stage.RUNNING if self._state.stage is Stage.SLEEPING else self._now(self._state.stage)
        self._set(stage=stage, serving=replica.sha, hardware=hardware)
        return True

    async def adopt(self, replica: Replica) -> None:
        """Take over the app of an earlier Hub: it serves, or sleeps, as its state says."""
        self._duty.begin(replica)
        if self._state.stage is Stage.SLEEPING:
            await self._duty.take_in(replica)
        else:
            await replica.thaw()
            self._duty.take_over(replica)
        self._watching = asyncio.create_task(self._watch(replica))

    async def close(self) -> None:
        """Stop everything, but remember what was wanted."""
        await self._end_work()
        self._watch_no_more()
        await self._duty.stand_down()
        await self._finish_background()
        for log in self.logs.values():
            log.close()

    async def delete(self) -> None:
        """Stop everything and remove what is kept."""
        self._set(stage=Stage.DELETING)
        await self.close()
        self._hub.gateway.forget(self.repo)
        self._crew.states.forget(self.repo.uid)
        await asyncio.to_thread(shutil.rmtree, self._hub.place.space(self.repo.id), ignore_errors=True)

    async def rename(self, repo: Repo) -> None:
        """Go on as *repo*."""
        await self.close()
        before, after = self._hub.place.space(self.repo.id), self._hub.place.space(repo.id)
        self.repo = self._duty.repo = repo
        if before.exists():
            after.parent.mkdir(parents=True, exist_ok=True)
            before.rename(after)
        self._open_logs()

    async def settled(self) -> RunState:
        """Return the state once it will not change by itself."""
        while True:
            news = self.changed.listen()
            if not self._state.stage.is_moving:
                self.changed.forget(news)
                return self._state
            await news

    # One order

    async def _carry_out(self, order: Order, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.gather(earlier, return_exceptions=True)
        try:
            await self._duty.deepen()
            await self._crew.sleep(order.delay)
            build, built = await self._build(order)
            await self._start(order, build, built)
        except CannotBuildError as error:
            if not order.restores:
                self.logs["build"].write(f"--> ERROR: {error.message}")
            self._fail(order, error.stage, error.message)
        except BuildFailedError as error:
            self._fail(order, Stage.BUILD_ERROR, error.message)
        except UnhealthyAppError as error:
            self._fail(order, Stage.RUNTIME_ERROR, error.message)
        except Exception as error:  # the Space must not stay at BUILDING for ever
            _logger.exception("Space %s could not be brought up", self.repo.id)
            self._fail(order, Stage.RUNTIME_ERROR, f"The local Hub failed: {type(error).__name__}: {error}")

    async def _build(self, order: Order) -> tuple[BuildPlan, Built]:
        told = order.factory or self._state.built != order.sha
        log = self.logs["build"].write if told else _silent
        if told and not order.restores:
            self.logs["build"].begin()
            self._tell(order, stage=self._now(Stage.BUILDING), error=None)
        launcher = self._crew.launcher
        build, built = await launcher.prepare(self.repo, order.sha, log, factory=order.factory)
        if not order.restores:
            layer = built.layer.key if built.layer else None
            self._tell(order, built=order.sha, sdk=build.card.sdk.value, layer=layer)
        return build, built

    async def _start(self, order: Order, build: BuildPlan, built: Built) -> None:
        launcher = self._crew.launcher
        if not order.restores:
            self._tell(order, stage=self._now(Stage.APP_STARTING), error=None)
        settings = self._hub.spaces.public_settings(self.repo)
        if await launcher.needs_room(build):
            await self._make_room()
        replica = await launcher.start(self.repo, build, built, self.logs["run"])
        try:
            self._duty.begin(replica)
            await replica.healthy(build.card.startup_seconds, build.card.base_path, self._crew.pace)
        except BaseException as error:
            if isinstance(error, UnhealthyAppError):
                self.logs["run"].write(f"[spacehand] {error.summary}")
            self._duty.end(replica)
            raise
        if self._is_stale(order):
            self._duty.end(replica)
            return
        self._swap(replica)
        told = {} if order.restores else {"stage": Stage.RUNNING, "error": None}
        self._set(
            serving=order.sha,
            replica=replica.token,
            hardware=settings.hardware,
            fidelity=replica.fidelity.value,
            differences=launcher.differences(build, built, settings),
            **told,
        )
        if built.layer is not None and self._crew.layers is not None:
            self._later(self._settle(self._crew.layers, built.layer, build.interpreter))

    async def _make_room(self) -> None:
        """End the version before."""
        self._watch_no_more()
        self._set(stage=_without_serving(self._state.stage), serving=None)
        await self._duty.stand_down()

    def _swap(self, replica: Replica) -> None:
        """Let *replica* serve from now on."""
        self._duty.take_over(replica)
        self._watch_no_more()
        self._watching = asyncio.create_task(self._watch(replica))

    def _fail(self, order: Order, stage: Stage, message: str) -> None:
        if order.restores:
            self._set(serving=None)
            return
        self._tell(order, stage=stage, error=message, serving=self._serving_sha)

    # The app that serves

    async def _watch(self, replica: Replica) -> None:
        ended = await replica.ended()
        if self._duty.dozing is replica:  # it will be started when it is asked for
            await self._duty.deepen()
        if self._duty.serving is not replica:
            return
        self._duty.withdraw()
        self._duty.end(replica)
        self.logs["run"].write(f"[spacehand] the app ended with exit code {ended.code}")
        busy = self._task is not None and not self._task.done()
        if busy:  # a newer commit is on its way: nothing to bring back
            self._set(stage=_without_serving(self._state.stage), serving=None)
        elif self._may_return(ended):
            pause = self._crew.pauses[len(self._crashes) - 1]
            self.logs["run"].write(f"[spacehand] starting it again in {pause:g} s")
            self._set(stage=Stage.APP_STARTING, serving=None, error=None)
            self.obey(Order(replica.sha, delay=pause))
        else:
            self._set(stage=Stage.RUNTIME_ERROR, error=ended.message, serving=None)

    def _may_return(self, ended: AppEndedError) -> bool:
        """Count the crash; an app that outgrew its hardware would only do so again."""
        if ended.took_too_much or self._state.stage is not Stage.RUNNING:
            return False
        recent = time.monotonic() - _FORGIVEN_SECONDS
        self._crashes = [at for at in self._crashes if at > recent] + [time.monotonic()]
        return len(self._crashes) <= len(self._crew.pauses)

    async def _settle(self, layers: Layers, layer: Layer, interpreter: Interpreter) -> None:
        await layers.settle(layer, interpreter)
        await asyncio.to_thread(lambda: layers.prune(self._crew.states.layers()))

    def _watch_no_more(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    async def _end_work(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _finish_background(self) -> None:
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._duty.finish()

    # State

    def _set(self, **changes: Any) -> None:
        with self._lock:
            before, self._state = self._state, replace(self._state, **changes)
            if self._state.stage is not before.stage or self._state.sha != before.sha:
                self._state = replace(self._state, since=now())
            if self._state == before:
                return
            moved = self._state.stage is not before.stage or self._state.error != before.error
            self._crew.states.save(self.repo.uid, self._state, event=moved)
        self.changed.ring()

    def _tell(self, order: Order, **changes: Any) -> None:
        """Change what is shown, unless a newer commit is expected already: stale news is no news."""
        with self._lock:
            if not self._is_stale(order):
                self._set(**changes)

    def _is_stale(self, order: Order) -> bool:
        return not order.restores and self._state.sha != order.sha

    def _now(self, stage: Stage) -> Stage:
        """Return *stage* as it is called while an earlier commit still answers."""
        if self._duty.serving is None:
            return stage
        return Stage.RUNNING_BUILDING if stage is Stage.BUILDING else Stage.RUNNING_APP_STARTING

    @property
    def _serving_sha(self) -> str | None:
        return self._duty.serving.sha if self._duty.serving else None

    def _later(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _open_logs(self) -> None:
        folder = self._hub.place.space(self.repo.id) / "logs"
        self.logs = {kind: SpaceLog(folder, kind) for kind in ("build", "run")}


def _without_serving(stage: Stage) -> Stage:
    return {Stage.RUNNING_BUILDING: Stage.BUILDING, Stage.RUNNING_APP_STARTING: Stage.APP_STARTING}.get(
        stage, stage
    )


def _silent(_text: str) -> None:
    return
