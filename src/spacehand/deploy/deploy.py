"""From a described Space to a live one that has proved itself, or back to the version before."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from spacehand.deploy import drift as drifting
from spacehand.deploy.apply import apply
from spacehand.deploy.cause import last_words, read_log
from spacehand.deploy.drift import OnDrift
from spacehand.deploy.plan import DEFAULT_CHOICES, Choices, Plan, plan
from spacehand.deploy.probe import Answer, Probe
from spacehand.deploy.rollback import Before, restore_files, restore_settings, tell_undone
from spacehand.deploy.spending import Spending
from spacehand.deploy.steps import SetHardware, SetReplicas
from spacehand.deploy.timing import DEFAULT_TIMING, Timing
from spacehand.deploy.watch import Awaited, watch, watch_replicas
from spacehand.errors import (
    BuildError,
    ConfigError,
    PaymentError,
    SpacehandError,
    UnhealthyError,
    WaitTimeoutError,
)
from spacehand.history import HEALTHY, History, Release, SpaceKey
from spacehand.hub._protocol import Commit, Hub, SpaceRuntime
from spacehand.hub.digests import Digests
from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.progress import Progress, Report, silent
from spacehand.space.build import BuiltSpace, build
from spacehand.space.spec import SpaceSpec
from spacehand.stage import Stage

# What a version may fail with; anything else (no network, Ctrl-C) says nothing about the version.
_FAILED = (BuildError, ConfigError, UnhealthyError, WaitTimeoutError, PaymentError)
_WORTH_PROVING = (Stage.RUNNING, Stage.RUNNING_BUILDING, Stage.RUNNING_APP_STARTING)


def _agree(_plan: Plan) -> None:
    """Let every plan pass."""


class Prover(Protocol):
    """What proves an app; :class:`~spacehand.deploy.probe.Probe` does it over HTTP."""

    def page(self, app_url: str, *, report: Report = silent) -> None: ...

    def call(self, app_url: str, *, report: Report = silent) -> Answer | None: ...


@dataclass(frozen=True, slots=True)
class Deployed:
    """A Space that has proved itself, or that was left as it was because nothing had changed."""

    space: RepoId
    space_url: str
    app_url: str
    stage: Stage
    revision: str
    changed: bool
    seconds: float
    usd_per_hour: float
    answer: Answer | None = None  # of the inference probe
    notes: tuple[str, ...] = field(default=())

    @property
    def served_weights_sha256(self) -> str | None:
        """The digest of the weights the app says it serves."""
        return self.answer.weights_sha256 if self.answer else None

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``deploy --json`` prints."""
        return {
            "space": str(self.space),
            "space_url": self.space_url,
            "app_url": self.app_url,
            "stage": self.stage.value,
            "revision": self.revision,
            "changed": self.changed,
            "seconds": round(self.seconds, 3),
            "usd_per_hour": self.usd_per_hour,
            "served_weights_sha256": self.served_weights_sha256,
            "notes": list(self.notes),
        }


def deploy(
    spec: SpaceSpec,
    *,
    hub: Hub,
    history: History,
    digests: Digests | None = None,
    built: BuiltSpace | None = None,
    choices: Choices = DEFAULT_CHOICES,
    prover: Prover | None = None,
    review: Callable[[Plan], None] = _agree,
    report: Report = silent,
    timing: Timing = DEFAULT_TIMING,
) -> Deployed:
    """
    Bring the Space of *spec* to life on *hub*, and return once it has proved itself.

    Secrets, variables and volumes come before the first build; the commit is followed by its own sha; paid
    hardware comes only after the proof. A version that fails is undone by a new commit with the files of
    the version before. When nothing has changed, nothing is pushed and nothing is built. *review* sees the
    plan before anything is done, and raises to stop it.

    Raises:
        ConflictError: the Space was changed elsewhere since the last release.
        BuildError, ConfigError, UnhealthyError, WaitTimeoutError: this version does not work.
    """
    with _built(spec, built, report) as folder:
        report(Progress("plan", "Comparing with the Space on the Hub"))
        decided = plan(folder, spec, hub, history, digests=digests, choices=choices)
        if decided.drift and choices.on_drift is OnDrift.REFUSE:
            raise drifting.refuse(decided.space, decided.drift)
        review(decided)
        history.see_prices(hub.identity, decided.prices, at=timing.clock())
        headers = hub.app_headers() if spec.visibility is Visibility.PRIVATE else {}
        proof = prover or Probe.from_spec(spec.probe, folder.folder, headers)
        run = _Run(decided, choices, folder, hub, history, proof, report, timing)
        if decided.has_changes:
            return run.changed()
        return run.unproved(run.unsettled) if run.unsettled else run.unchanged()


@contextmanager
def _built(spec: SpaceSpec, built: BuiltSpace | None, report: Report) -> Iterator[BuiltSpace]:
    if built is not None:
        yield built
        return
    with tempfile.TemporaryDirectory(prefix="spacehand-build-") as folder:
        report(Progress("build", "Building the folder that is pushed"))
        yield build(spec, Path(folder) / "space")


@dataclass
class _Run:
    """One deploy on its way."""

    plan: Plan
    choices: Choices
    built: BuiltSpace
    hub: Hub
    history: History
    prover: Prover
    report: Report
    timing: Timing
    unsettled: Release | None = None  # what is there, if it never proved itself

    def __post_init__(self) -> None:
        self.space = self.plan.space
        self.key = SpaceKey(self.hub.identity, self.space)
        self.began = self.timing.now()
        self.spending = Spending(self.hub, self.space, self.report)
        self.unsettled = self._unsettled()

    def unproved(self, release: Release) -> Deployed:
        """Prove what an earlier deploy pushed and never proved; on failure, go back to what worked."""
        try:
            self._follow(self._tried_again(release))
            answer = self._probe(call=True)
        except _FAILED as error:
            self._settle_failed(release, error)
            tell_undone(error, [self._go_back(release, because=error.message)])
            raise
        self.history.settle_release(release, HEALTHY)
        return self._deployed(Stage.RUNNING, release.revision, answer, changed=False)

    def _tried_again(self, release: Release) -> Awaited:
        """Restart what has failed: the Hub's machines may have been the cause; return what to wait for."""
        stage = self.plan.present.runtime.stage if self.plan.present else Stage.UNKNOWN
        awaited = Awaited(release.revision, self._is_static, revive=True)
        if stage not in (Stage.BUILD_ERROR, Stage.RUNTIME_ERROR):
            return awaited
        self.report(Progress("start", f"It was {stage.value}: trying again"))
        self.hub.restart(self.space, factory=stage is Stage.BUILD_ERROR)
        return dataclasses.replace(awaited, restarting=True, before=stage)

    def unchanged(self) -> Deployed:
        """Look at the Space as it is; a sleeping one is not woken for it."""
        assert self.plan.present is not None  # noqa: S101  a Space that does not exist has changes
        runtime = self.plan.present.runtime
        if runtime.stage.is_error or runtime.stage.is_moving:
            # Not finished, or failed: the watch waits, or says why.
            self._follow(Awaited(self.plan.present.head, self._is_static))
            runtime = self.hub.runtime(self.space)
        answer = None
        if runtime.stage in _WORTH_PROVING:
            self.prover.page(self.hub.app_url(self.space), report=self.report)
            if self.choices.call_unchanged:
                answer = self.prover.call(self.hub.app_url(self.space), report=self.report)
        return self._deployed(runtime.stage, self.plan.present.head, answer, changed=False)

    def changed(self) -> Deployed:
        """Carry the plan out; on failure, undo it."""
        commit = self._push()
        head = commit.revision if commit else self._head()
        # Until the move is made, and after it was undone, the hardware is not the planned one.
        wanted = self.plan.release
        pushed = dataclasses.replace(wanted, revision=head, hardware=None, sleep=None, replicas=None)
        release = self.history.add_release(pushed, at=self.timing.clock())
        try:
            answer = self._prove(commit, head)
        except _FAILED as error:
            self._settle_failed(release, error)
            self._undo(error, commit)
            raise
        live = dataclasses.replace(
            release, hardware=wanted.hardware, sleep=wanted.sleep, replicas=wanted.replicas
        )
        self.history.settle_release(live, HEALTHY)
        return self._deployed(Stage.RUNNING, head, answer, changed=True)

    def _unsettled(self) -> Release | None:
        """Return the release that is there, if it never proved itself: it failed, or was interrupted."""
        last, present = self.history.last_release(self.key), self.plan.present
        if last is None or present is None or last.revision != present.head or last.result == HEALTHY:
            return None
        return last

    def _settle_failed(self, release: Release, error: SpacehandError) -> None:
        """Keep why *release* failed, and what its app said last: a rollback takes its log away."""
        self.history.settle_release(release, f"{error.code}: {error.message}")
        if not isinstance(error, UnhealthyError) or error.details:
            return
        said = last_words(read_log(self.hub, self.space, "run"))
        if said and said[-1].strip() not in error.message:
            error.details = said

    def _push(self) -> Commit | None:
        made = None
        for done in apply(self.plan.steps, self.hub, self.report):
            made = done.commit or made
        return made

    def _prove(self, commit: Commit | None, head: str) -> Answer | None:
        answer: Answer | None = None
        if self.plan.steps:
            self._follow(self._awaited(commit, head))
            answer = self._probe(call=not self._moves)
        before = self.hub.runtime(self.space) if self.plan.afterwards else None
        for done in apply(self.plan.afterwards, self.hub, self.report):
            if isinstance(done.step, SetReplicas) and before is not None:
                self.spending.scaled_from = before.requested_replicas
                wanted = done.step.replicas
                watch_replicas(self.hub, self.space, wanted, timing=self.timing, report=self.report)
                answer = self._probe(call=True)
            if isinstance(done.step, SetHardware) and before is not None:
                was = before.requested_hardware
                self.spending.moved_from = was if was != done.step.flavor else None
                self._follow(Awaited(head, self._is_static, restarting=True, revive=True))
                # What the hardware is for may work only on it.
                answer = self._probe(call=True)
        return answer

    def _awaited(self, commit: Commit | None, head: str) -> Awaited:
        present = self.plan.present
        return Awaited(
            revision=head,
            is_static=self._is_static,
            restarting=commit is None or not commit.changed,
            revive=True,
            before=present.runtime.stage if present else None,
        )

    def _follow(self, awaited: Awaited) -> SpaceRuntime | None:
        timing, last = self.timing, None
        for seen in watch(
            self.hub,
            self.space,
            awaited,
            timeout=timing.timeout,
            history=self.history,
            report=self.report,
            now=timing.now,
            sleep=timing.sleep,
            clock=timing.clock,
        ):
            last = seen
        return last

    def _probe(self, *, call: bool) -> Answer | None:
        app_url = self.hub.app_url(self.space)
        self.prover.page(app_url, report=self.report)
        return self.prover.call(app_url, report=self.report) if call else None

    def _undo(self, error: SpacehandError, commit: Commit | None) -> None:
        """Revert what costs money first, then bring the version before back; tell both in *error*'s hint."""
        told = self.spending.take_back()
        tell_undone(error, [*told, self._restore(commit, because=error.message)])

    def _restore(self, commit: Commit | None, *, because: str) -> str | None:
        revision = self._good_revision()
        if revision is None or self.plan.present is None:
            return None
        before = self.plan.present.variables
        touched = frozenset(c.target for c in self.plan.changes() if c.kind == "variable")
        # What others set is not ours to take away at the next deploy.
        ours = touched | frozenset(self.plan.release.variables)
        version = Before(revision, before, {name: value for name, value in before.items() if name in ours})
        return self._bring_back(version, touched, because=because, push=commit is not None)

    def _good_revision(self) -> str | None:
        """The newest revision that worked: what answered before the push, else the last healthy release."""
        present = self.plan.present
        if present is None or present.is_new:
            return None
        if not present.runtime.stage.is_error and not self.unsettled:
            return present.head
        healthy = self.history.last_healthy(self.key)
        return healthy.revision if healthy else None

    def _go_back(self, release: Release, *, because: str) -> str | None:
        """Bring the last release that worked back on top of *release*, which does not."""
        healthy = self.history.last_healthy(self.key)
        if healthy is None:
            return None
        touched = frozenset({*healthy.variables, *release.variables})
        version = Before(healthy.revision, healthy.variables, healthy.variables)
        return self._bring_back(version, touched, because=because, push=True)

    def _bring_back(self, version: Before, touched: frozenset[str], *, because: str, push: bool) -> str:
        """Restore settings and, with *push*, files; return what to tell, also when it did not work."""
        named = f"The version before, {version.revision[:7]},"
        kept, made = None, None
        try:
            restore_settings(
                self.hub, self.space, variables=version.variables, touched=touched, report=self.report
            )
            if push:
                made = restore_files(
                    self.hub, self.space, version.revision, because=because, report=self.report
                )
            new = made.revision if made else self._head()
            # Kept before it answers: should it never do so, its commit is still ours, and no drift.
            kept = self._keep_restored(new, version.ours)
            is_new = made is not None and made.changed
            self._follow(Awaited(made.revision if made else None, self._is_static, restarting=not is_new))
        except SpacehandError as error:
            if kept is not None:
                self.history.settle_release(kept, f"{error.code}: {error.message}")
            return f"{named} could not be brought back: {error.message}"
        self.history.settle_release(kept, HEALTHY)
        return f"{named} is back as commit {new[:7]}" if made else f"{named} is back"

    def _keep_restored(self, revision: str, variables: Mapping[str, str]) -> Release:
        restored = dataclasses.replace(
            self.plan.release,
            revision=revision,
            variables=variables,
            hardware=None,
            replicas=None,
            adopted=(),
        )
        return self.history.add_release(restored, at=self.timing.clock())

    def _deployed(self, stage: Stage, revision: str, answer: Answer | None, *, changed: bool) -> Deployed:
        return Deployed(
            space=self.space,
            space_url=self.hub.page_url(RepoKind.SPACE, self.space),
            app_url=self.hub.app_url(self.space),
            stage=stage,
            revision=revision,
            changed=changed,
            seconds=self.timing.now() - self.began,
            usd_per_hour=self.plan.usd_after,
            answer=answer,
            notes=self.plan.notes,
        )

    def _head(self) -> str:
        return self.hub.head(RepoKind.SPACE, self.space) or ""

    @property
    def _is_static(self) -> bool:
        return self.built.sdk == "static"

    @property
    def _moves(self) -> bool:
        return any(isinstance(step, SetHardware) for step in self.plan.afterwards)
