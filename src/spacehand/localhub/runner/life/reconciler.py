"""One Space's life: what should run, what runs, and the way from one to the other."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from spacehand.localhub.runner.bell import Bell
from spacehand.localhub.runner.build.builder import BuildFailedError, Built
from spacehand.localhub.runner.card import CannotBuildError
from spacehand.localhub.runner.crew import Crew
from spacehand.localhub.runner.life.duty import Duty
from spacehand.localhub.runner.life.fleet import Fleet
from spacehand.localhub.runner.life.health import UnhealthyAppError
from spacehand.localhub.runner.life.muster import Muster
from spacehand.localhub.runner.life.replica import AppEndedError, Replica
from spacehand.localhub.runner.life.state import RunState, without_serving
from spacehand.localhub.runner.logs import SpaceLog
from spacehand.localhub.store.removal import remove_all
from spacehand.localhub.wire_time import now
from spacehand.stage import Stage

if TYPE_CHECKING:
    from spacehand.localhub.repos.store import Repo
    from spacehand.localhub.runner.build.interpreter import Interpreter
    from spacehand.localhub.runner.build.layer import Layer, Layers
    from spacehand.localhub.runner.build.plan import BuildPlan

_logger = logging.getLogger(__name__)


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
        self._muster = Muster(self._duty, crew, changed=self._recount, ended=self._one_ended)
        self._background: set[asyncio.Task[Any]] = set()  # may be cancelled at any time
        self._open_logs()

    @property
    def state(self) -> RunState:
        return self._state

    @property
    def started(self) -> float | None:
        """When the app that serves was started (unix time)."""
        return self._duty.serving.started if self._duty.serving else None

    @property
    def is_paused(self) -> bool:
        """Only a restart may wake it."""
        return self._state.stage is Stage.PAUSED

    @property
    def is_dozing(self) -> bool:
        """An app sleeps that could go on at once."""
        return self._duty.dozing is not None

    @property
    def is_outdated(self) -> bool:
        """The app that answers was started with other settings than the Space has now."""
        fleet = self._duty.serving
        return fleet is not None and not fleet.has_settings(self._crew.launcher.mark(self.repo))

    @property
    def is_serving(self) -> bool:
        """An app answers."""
        return self._duty.serving is not None

    def measure(self) -> list[Measure]:
        """Return what each app that serves uses now; slow, so not for the loop."""
        fleet = self._duty.serving
        return [
            Measure(one.token, one.app.cpu_seconds(), one.app.memory(0), one.spec.memory_bytes)
            for one in (list(fleet.members) if fleet is not None else ())
            if one.app is not None and one.spec is not None
        ]

    # Orders

    def expect(self, sha: str) -> None:
        """Show at once that *sha* is on its way; a paused Space only remembers it."""
        if self.is_paused:
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
        self._muster.dismiss()
        # First, so that a request which comes while the app stops wakes it, or is told why it does not.
        self._set(stage=stage, serving=None, replicas=(), error=None, hardware=None)
        await self._duty.stand_down()

    async def sleep(self) -> None:
        """Freeze the app until it is asked for; see `deepen`."""
        busy = self._task is not None and not self._task.done()
        if busy or self._duty.serving is None or self._duty.serving.is_static:
            await self.rest(Stage.SLEEPING)
            return
        self._muster.dismiss()
        self._set(stage=Stage.SLEEPING, serving=None, error=None, hardware=None)
        await self._duty.doze()

    async def deepen(self) -> None:
        """End a frozen app, for its memory; asked for, it starts anew."""
        await self._duty.deepen()

    async def rouse(self) -> bool:
        """Let a frozen app answer again, and return whether there is one."""
        fleet = await self._duty.rouse()
        if fleet is None:
            return False
        hardware = self._hub.spaces.public_settings(self.repo).hardware
        stage = Stage.RUNNING if self._state.stage is Stage.SLEEPING else self._now(self._state.stage)
        self._set(stage=stage, serving=fleet.sha, hardware=hardware)
        self.complete()
        return True

    def complete(self) -> None:
        """Bring the number of apps that answer to what is wanted, and leave those alone that may stay."""
        self._recount()
        self._muster.call(self.logs["run"])

    async def adopt(self, replica: Replica) -> None:
        """Take over the app of an earlier Hub: it serves, or sleeps, as its state says."""
        self._duty.begin(replica)
        fleet = await self._duty.take_in(replica, asleep=self._state.stage is Stage.SLEEPING)
        self._muster.watch(fleet, replica)

    async def close(self) -> None:
        """Stop everything, but remember what was wanted."""
        await self._end_work()
        await self._muster.close()
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
        await asyncio.to_thread(remove_all, self._hub.place.space(self.repo.id))

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
        """Return the state once it will not change by itself, or the Space is being deleted."""
        while True:
            news = self.changed.listen()
            if not self._state.stage.is_moving or self._state.stage is Stage.DELETING:
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
        if not order.restores:
            self._tell(order, stage=self._now(Stage.APP_STARTING), error=None)
        settings = self._hub.spaces.public_settings(self.repo)
        if await self._crew.launcher.needs_room(build):
            await self._make_room()
        fleet = Fleet(order.sha, made=(build, built))
        try:
            await self._muster.first(fleet, self.logs["run"])
            if self._duty.serving is not None:  # nobody waits: let it come up as a whole
                await self._muster.fill(fleet, self.logs["run"])
        except BaseException:
            self._duty.end_all(fleet)
            raise
        if self._is_stale(order):
            self._duty.end_all(fleet)
            return
        self._swap(fleet)
        told = {} if order.restores else {"stage": Stage.RUNNING, "error": None}
        self._set(
            serving=order.sha,
            replicas=fleet.tokens,
            hardware=settings.hardware,
            fidelity=fleet.members[0].fidelity.value,
            differences=self._crew.launcher.differences(build, built, settings),
            **told,
        )
        self._muster.call(self.logs["run"])
        if built.layer is not None and self._crew.layers is not None:
            self._later(self._settle(self._crew.layers, built.layer, build.interpreter))

    async def _make_room(self) -> None:
        """End the version before."""
        self._muster.dismiss()
        self._set(stage=without_serving(self._state.stage), serving=None)
        await self._duty.stand_down()

    def _swap(self, fleet: Fleet) -> None:
        """Let *fleet* serve from now on."""
        self._muster.dismiss()
        self._duty.take_over(fleet)
        for replica in fleet.members:
            self._muster.watch(fleet, replica)

    def _fail(self, order: Order, stage: Stage, message: str) -> None:
        if order.restores:
            self._set(serving=None)
            return
        self._tell(order, stage=stage, error=message, serving=self._serving_sha)
        self.complete()

    # The app that serves

    def _one_ended(self, fleet: Fleet, ended: AppEndedError) -> None:
        """Bring back an app of *fleet* that ended by itself while it served."""
        if left := len(fleet.members):  # others answer: the Space goes on
            self._muster.crashed()
            self.logs["run"].write(f"[spacehand] a replica ended, {left} left: {ended.summary}")
            self.complete()
            return
        self._muster.dismiss()
        self.logs["run"].write(f"[spacehand] the app ended with exit code {ended.code}")
        busy = self._task is not None and not self._task.done()
        if busy:  # a newer commit is on its way: nothing to bring back
            self._set(stage=without_serving(self._state.stage), serving=None)
        elif (pause := self._pause_after(ended)) is not None:
            self.logs["run"].write(f"[spacehand] starting it again in {pause:g} s")
            self._set(stage=Stage.APP_STARTING, serving=None, error=None)
            self.obey(Order(fleet.sha, delay=pause))
        else:
            self._set(stage=Stage.RUNTIME_ERROR, error=ended.message, serving=None)

    def _pause_after(self, ended: AppEndedError) -> float | None:
        """Return how long to wait before another start; None: the app would only end again."""
        if ended.took_too_much or self._state.stage is not Stage.RUNNING:
            return None
        crashes, pauses = self._muster.crashed(), self._crew.pauses
        return pauses[crashes - 1] if crashes <= len(pauses) else None

    def _recount(self) -> None:
        """Note who serves."""
        if self._duty.serving is not None:
            self._set(replicas=self._duty.serving.tokens)

    async def _settle(self, layers: Layers, layer: Layer, interpreter: Interpreter) -> None:
        await layers.settle(layer, interpreter)
        await asyncio.to_thread(lambda: layers.prune(self._crew.states.layers()))

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


def _silent(_text: str) -> None:
    return
