"""Follow one commit of a Space until it answers, or until it is certain that it will not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from spacehand.deploy.cause import cause, last_words, read_log
from spacehand.deploy.timing import DEFAULT_TIMING, TIMEOUT, Timing
from spacehand.errors import (
    BuildError,
    ConfigError,
    HubUnreachableError,
    QuotaError,
    SpacehandError,
    UnhealthyError,
    WaitTimeoutError,
)
from spacehand.history import History, SpaceKey
from spacehand.hub._protocol import Hub, SpaceRuntime
from spacehand.ids import RepoId
from spacehand.progress import Progress, Report, silent
from spacehand.stage import Stage

# Just after a push the Hub still tells of the commit before: an old failure is believed after so long.
GRACE = 15.0  # seconds
_SLICE = 30.0  # seconds between two words to the person, and between two fresh looks
_PAUSE = 1.0
_BAD_ANSWERS = 3  # in a row; each has been tried for half a minute
_STEADY = 10.0  # seconds; a restart that has not begun by then was none
_NO_BUILD_YET = 60.0

_WORDS = {
    Stage.BUILDING: "Building",
    Stage.RUNNING_BUILDING: "Building; the version before answers meanwhile",
    Stage.APP_STARTING: "Starting",
    Stage.RUNNING_APP_STARTING: "Starting; the version before answers meanwhile",
    Stage.RUNNING: "Running",
    Stage.SLEEPING: "Asleep",
    Stage.PAUSED: "Paused",
    Stage.STOPPED: "Stopped",
}

# A build that failed before it wrote its first line never saw the app.
_NO_WORD = "The build failed: the Hub gives no reason, and the log is empty: the Hub itself failed, as a rule"
# How an error begins that tells of the Hub's machines, and not of the app: what happened, and what to try.
_OF_THE_HUB = {
    "Scheduling failure": (
        "The Hub has no machine for it now",
        "Deploy again later, or name further hardware in `hardware`, in order of preference",
    ),
    "not enough hardware capacity": (
        "The Hub has no machine for it now",
        "Deploy again later, or name further hardware in `hardware`, in order of preference",
    ),
    "Workload evicted": (
        "The Hub ended the app",
        "Write less to the disk, mount a bucket for it in `volumes`, or take hardware with a larger disk",
    ),
    "Launch timed out": (
        "The app did not come up in time",
        "See how far it came with `spacehand logs`; `startup_duration_timeout` in the README gives it longer",
    ),
}


@dataclass(frozen=True, slots=True)
class Awaited:
    """What is waited for."""

    revision: str | None = None  # the commit that must answer; None: whichever
    is_static: bool = False  # static Spaces tell no commit
    restarting: bool = False  # a setting was changed: RUNNING at first sight may be the process before
    revive: bool = False  # restart it, once, when it is paused or asleep
    before: Stage | None = None  # the stage before the push


def watch(
    hub: Hub,
    space: RepoId,
    awaited: Awaited = Awaited(),
    *,
    timeout: float = TIMEOUT,
    history: History | None = None,
    report: Report = silent,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.time,
) -> Iterator[SpaceRuntime]:
    """
    Yield each new stage of *space* until the awaited commit is RUNNING.

    A stage nobody knows, or one bad answer of the Hub, does not end it. What is seen is kept in *history*.

    Raises:
        BuildError: the build failed; the message holds the line of the log that says why.
        ConfigError: the Hub cannot make out what to build.
        UnhealthyError: the app ended, or the Space is paused.
        WaitTimeoutError: it is still moving after *timeout* seconds.
    """
    watcher = _Watcher(hub, space, awaited, history, report, now, sleep, clock)
    yield from watcher.until(timeout)


def watch_replicas(
    hub: Hub,
    space: RepoId,
    replicas: int,
    *,
    timing: Timing = DEFAULT_TIMING,
    report: Report = silent,
) -> None:
    """
    Return once *replicas* equal apps of *space* answer.

    Raises:
        WaitTimeoutError: other than so many do when the time is up.
    """
    end, told = timing.now() + timing.timeout, -1
    while (up := hub.runtime(space).replicas) != replicas:
        if up != told:
            report(Progress("start", f"{up} of {replicas} replicas answer"))
            told = up
        if timing.now() >= end:
            raise WaitTimeoutError(
                f"{up} of {replicas} replicas answer after {timing.timeout:.0f} s",
                where=str(space),
                hint=f"The run log says why: `spacehand logs {space}`",
            )
        timing.sleep(_PAUSE)


class _Watcher:
    def __init__(
        self,
        hub: Hub,
        space: RepoId,
        awaited: Awaited,
        history: History | None,
        report: Report,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        self.hub, self.space, self.awaited = hub, space, awaited
        self.history, self.report = history, report
        self.now, self.sleep, self.clock = now, sleep, clock
        self.key = SpaceKey(hub.identity, space)
        self.started = now()
        self.moved = False  # something has happened since the watch began
        self.revived = False
        self.stage_since = self.started
        self.last: SpaceRuntime | None = None

    def until(self, timeout: float) -> Iterator[SpaceRuntime]:
        end = self.started + timeout
        away = 0
        while (left := end - self.now()) > 0:
            began = self.now()
            try:
                for seen in self.hub.events(self.space, timeout=min(left, self._slice())):
                    away = 0
                    if self._is_new(seen):
                        yield seen
                    if self._is_there(seen):
                        return
            except HubUnreachableError:
                away += 1
                if away == _BAD_ANSWERS:
                    raise
            except QuotaError as error:  # the build goes on meanwhile
                self.report(Progress("wait", error.hint or error.message))
                self.sleep(min(self._slice(), end - self.now()))
            # An event stream that ends at once must not make a busy loop of this one.
            self.sleep(max(0.0, min(_PAUSE - (self.now() - began), end - self.now())))
        raise self._too_late(timeout)

    def _slice(self) -> float:
        """Seconds until the next fresh look; short while an old stage may still be shown."""
        doubtful = self.awaited.restarting or (
            self.awaited.before is not None and self.awaited.before.is_error
        )
        return _STEADY if doubtful and not self.moved else _SLICE

    def _is_new(self, seen: SpaceRuntime) -> bool:
        self._remember(seen)
        last = self.last
        fresh = last is None or (last.raw_stage, last.revision) != (seen.raw_stage, seen.revision)
        if fresh:
            self.moved = self.moved or last is not None or seen.stage.is_moving
            self.stage_since = self.now()
        self.last = seen
        self.report(Progress(_phase(seen.stage), self._said(seen)))
        return fresh

    def _is_there(self, seen: SpaceRuntime) -> bool:
        """Whether the awaited commit runs now; raises when it never will."""
        stage, waited = seen.stage, self.now() - self.started
        if stage is Stage.RUNNING:
            return self._is_awaited(seen) and (not self.awaited.restarting or self.moved or waited >= _STEADY)
        stale = not self.moved and stage is self.awaited.before and waited < GRACE
        if stale:
            return False
        if stage.is_error:
            raise self._failure(seen)
        if stage in (Stage.PAUSED, Stage.STOPPED, Stage.SLEEPING):
            self._revive(seen)
        return False

    def _is_awaited(self, seen: SpaceRuntime) -> bool:
        wanted = self.awaited.revision
        if wanted is None or (self.awaited.is_static and seen.revision is None):
            return True
        return seen.revision is not None and seen.revision.startswith(wanted[:40])

    def _revive(self, seen: SpaceRuntime) -> None:
        if self.awaited.revive and not self.revived:
            self.revived = True
            self.report(Progress("start", f"It is {_WORDS[seen.stage].lower()}: restarting it"))
            self.hub.restart(self.space)
            self.started = self.now()
        elif not self.awaited.revive or self.now() - self.started > _NO_BUILD_YET:
            raise UnhealthyError(
                f"{self.space} is {_WORDS[seen.stage].lower()}",
                where=f"{self.space} · {seen.raw_stage}",
                hint=f"Wake it with `spacehand wake {self.space}`",
            )

    def _failure(self, seen: SpaceRuntime) -> SpacehandError:
        where = f"{self.space} · {seen.raw_stage}"
        if seen.stage is Stage.BUILD_ERROR:
            log = read_log(self.hub, self.space, "build")
            why = cause(log) or seen.error
            if not log and not seen.error:
                return BuildError(_NO_WORD, where=where, hint="Deploy again: the Hub then builds it anew")
            return BuildError(
                f"The build failed: {why or 'the Hub gives no reason'}",
                where=where,
                details=_more(log, why),
                hint=f"Read all of it with `spacehand logs {self.space} --build`",
            )
        if seen.stage is Stage.NO_APP_FILE:
            hint = "Add `app.py`, or name yours with `app_file` in the README's front matter"
            return ConfigError(seen.error or "The Space has no application file", where=where, hint=hint)
        if seen.stage is Stage.CONFIG_ERROR:
            hint = "Look at the README's front matter"
            return ConfigError(
                f"The Hub refuses the Space: {seen.error or 'no reason'}", where=where, hint=hint
            )
        return self._app_ended(seen, where)

    def _app_ended(self, seen: SpaceRuntime, where: str) -> UnhealthyError:
        told = seen.error
        for words, (what, hint) in _OF_THE_HUB.items():
            if told and told.startswith(words):
                return UnhealthyError(f"{what}: {told}", where=where, hint=hint)
        log = read_log(self.hub, self.space, "run") or (told or "").splitlines()
        if told and "\n" in told:  # a whole traceback
            told = cause(told.splitlines())
        why = told if told and len(told) > 40 else cause(log)
        if told and why and told in why:  # the local Hub writes its reason into the log, too
            why = told
        both = f"{told}: {why}" if told and why and why not in told else why or told
        return UnhealthyError(
            f"The app ended: {both or 'the Hub gives no reason, and the log is empty'}",
            where=where,
            details=_more(log, both),
            hint=f"Read what it said with `spacehand logs {self.space}`",
        )

    def _too_late(self, timeout: float) -> WaitTimeoutError:
        stage = self.last.raw_stage if self.last else "unknown"
        return WaitTimeoutError(
            f"{self.space} is still {stage} after {timeout:.0f} s",
            where=f"{self.space} · {stage}",
            hint=f"It may yet come up; see `spacehand status {self.space}` and `spacehand logs {self.space}`",
        )

    def _said(self, seen: SpaceRuntime) -> str:
        here = self.now() - self.stage_since
        words = _WORDS.get(seen.stage, f"The Hub says {seen.raw_stage or 'nothing'}")
        if seen.stage is Stage.RUNNING and not self._is_awaited(seen):
            wanted = (self.awaited.revision or "")[:7]
            if here >= _NO_BUILD_YET:
                return f"No build of {wanted} has begun after {here:.0f} s; the version before answers"
            return f"The version before answers; waiting for the build of {wanted}"
        if not seen.stage.is_moving:
            return words
        usual = self.history.usual_seconds(self.key, seen.stage) if self.history else None
        expected = f", {usual:.0f} s the last times" if usual else ""
        following = seen.stage.usually_next
        then = f"; then {following.value}" if following else ""
        return f"{words} ({here:.0f} s so far{expected}{then})"

    def _remember(self, seen: SpaceRuntime) -> None:
        if self.history is None:
            return
        self.history.see_stage(
            self.key,
            seen.stage,
            at=self.clock(),
            revision=seen.revision,
            hardware=seen.hardware or seen.requested_hardware,
            replicas=seen.replicas or 1,
        )


def _more(log: list[str], told: str | None) -> tuple[str, ...]:
    """Return the end of *log*, unless it is all *told* already."""
    words = last_words(log)
    return () if told and all(line.strip().removeprefix("cause: ") in told for line in words) else words


def _phase(stage: Stage) -> str:
    return "build" if stage in (Stage.BUILDING, Stage.RUNNING_BUILDING, Stage.BUILD_ERROR) else "start"
