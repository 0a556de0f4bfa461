"""Decide first: what a deploy would change, as data that can be shown, refused or applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spacehand.deploy import drift as drifting
from spacehand.deploy.drift import Drift, FilePlan, OnDrift, VariablePlan
from spacehand.deploy.present import Present
from spacehand.deploy.steps import (
    Change,
    CreateSpace,
    DeleteVariable,
    PushFiles,
    SetHardware,
    SetReplicas,
    SetSecret,
    SetSleep,
    SetVariable,
    SetVolumes,
    Step,
)
from spacehand.errors import ConfigError
from spacehand.history import History, Release, SpaceKey
from spacehand.hub._protocol import Flavor, Hub
from spacehand.hub.changes import changes
from spacehand.hub.digests import Digests
from spacehand.ids import RepoId
from spacehand.space.build import BuiltSpace
from spacehand.space.spec import SpaceSpec

MESSAGE = "Deploy with spacehand"
_ZERO_GPU = "zero-a10g"  # free, but the Space has to be created on it


@dataclass(frozen=True, slots=True)
class Choices:
    """What the person decided beside the description of the Space."""

    on_drift: OnDrift = OnDrift.REFUSE
    set_secrets: bool = False  # set those that exist too; their values cannot be compared
    message: str = MESSAGE
    by: str = ""  # who deploys, for the record
    allow_write_token: bool = False  # a Space's token may only read, unless its app has to write
    call_unchanged: bool = False  # make the real call also when nothing was changed


DEFAULT_CHOICES = Choices()


@dataclass(frozen=True, slots=True)
class Plan:
    """
    Everything one deploy will do, and nothing of it done.

    *steps* lead to the new commit; *afterwards* cost money or patience and follow only when the app has
    proved itself. No secret's value is in it.
    """

    space: RepoId
    present: Present | None  # None: the Space does not exist
    steps: tuple[Step, ...]
    afterwards: tuple[Step, ...]
    drift: tuple[Drift, ...]
    release: Release  # as it will be recorded; its revision is known only after the push
    usd_before: float  # an hour, while it runs
    usd_after: float
    notes: tuple[str, ...] = ()
    prices: Mapping[str, float] = field(default_factory=dict)  # US dollars an hour, by flavor

    @property
    def has_changes(self) -> bool:
        """Whether applying it would do anything at all."""
        return bool(self.steps or self.afterwards)

    @property
    def bytes(self) -> int:
        """How many bytes of files move at most."""
        return sum(step.bytes for step in self.steps if isinstance(step, PushFiles))

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``plan --json`` prints."""
        return {
            "space": str(self.space),
            "changes": [change.to_json() for change in self.changes()],
            "bytes": self.bytes,
            "usd_per_hour": {"before": self.usd_before, "after": self.usd_after},
            "drift": [item.to_json() for item in self.drift],
            "notes": list(self.notes),
        }

    def changes(self) -> list[Change]:
        """Return all changes, in the order they will be made."""
        return [change for step in (*self.steps, *self.afterwards) for change in step.changes()]

    def describe(self) -> list[str]:
        """Return the plan for people, a line a step."""
        lines = [step.describe() for step in (*self.steps, *self.afterwards)]
        if self.usd_before != self.usd_after:
            lines.append(f"cost while it runs: ${self.usd_before:.2f} → ${self.usd_after:.2f} an hour")
        lines += [f"changed elsewhere: {item}" for item in self.drift]
        return [*lines, *self.notes] or ["nothing to change"]


def plan(
    built: BuiltSpace,
    spec: SpaceSpec,
    hub: Hub,
    history: History,
    *,
    digests: Digests | None = None,
    choices: Choices = DEFAULT_CHOICES,
) -> Plan:
    """
    Return what brings the Space of *spec* to what was *built*. Nothing is changed, no secret is read.

    Raises:
        ConfigError: *spec* names no repository, or hardware this Hub does not have.
        ConflictError: with ADOPT, something was changed both here and on the Hub.
    """
    if spec.repo is None:
        raise ConfigError(
            "Nothing says which Space to deploy to",
            hint='Name it: `spacehand deploy DIR OWNER/NAME`, or `[space] repo = "…"`',
        )
    return _Planner(built, spec, spec.repo, hub, history, digests or Digests(), choices).plan()


@dataclass(frozen=True, slots=True)
class Running:
    """What the Space is to run on, when it is to sleep, and how many of it there are."""

    flavor: Flavor | None  # None: whatever it has
    sleep: int | None  # seconds; None: as it is
    replicas: int | None  # None: as it is


class _Planner:
    """One comparison of what is wanted with what is there."""

    def __init__(
        self,
        built: BuiltSpace,
        spec: SpaceSpec,
        space: RepoId,
        hub: Hub,
        history: History,
        digests: Digests,
        choices: Choices,
    ) -> None:
        self.built, self.spec, self.space, self.hub = built, spec, space, hub
        self.digests, self.choices = digests, choices
        self.present = Present.of(hub, space)
        last = history.last_release(SpaceKey(hub.identity, space))
        self.last = last if self.present else None  # a Space deleted in between starts afresh
        self.flavors = {flavor.name: flavor for flavor in hub.flavors()}
        self.notes: list[str] = []
        self.volumes = tuple(volume.to_wire() for volume in spec.volumes)

    def plan(self) -> Plan:
        drift: tuple[Drift, ...] = ()
        adopted: tuple[str, ...] = ()
        variables: Mapping[str, str] = self.spec.variables
        if self.present is None:
            steps = self._creation()
        else:
            files, settings = self._files(self.present), self._variables(self.present)
            variables = settings.final
            drift = (*files.drift, *settings.drift)
            adopted = (
                *(f"file:{path}" for path in sorted(files.kept)),
                *(f"variable:{name}" for name in sorted(settings.kept)),
            )
            steps = [*self._settings(self.present, settings), *self._push(self.present, files)]
        running, money_drift = self._running()
        afterwards = self._afterwards(running)
        drift += money_drift
        return Plan(
            space=self.space,
            present=self.present,
            steps=tuple(steps),
            afterwards=tuple(afterwards),
            drift=drift,
            release=self._release(variables, adopted),
            usd_before=self._price(self.present.hardware) * self.present.replicas if self.present else 0.0,
            usd_after=self._price(self._final_hardware()) * self._final_replicas(running),
            notes=tuple(self.notes),
            prices={name: flavor.usd_per_hour for name, flavor in self.flavors.items()},
        )

    def _creation(self) -> list[Step]:
        wanted = self._wanted_hardware()
        zero_gpu = _ZERO_GPU if wanted and wanted.name == _ZERO_GPU else None
        paid = wanted is not None and wanted.usd_per_hour > 0 and self.built.sdk != "static"
        create = CreateSpace(
            space=self.space,
            sdk=self.built.sdk,
            visibility=self.spec.visibility,
            hardware=zero_gpu,
            instead=wanted.name if wanted and paid else None,
            variables=dict(self.spec.variables),
            secrets=self.spec.secrets,
            volumes=self.volumes,
            allow_write_token=self.choices.allow_write_token,
        )
        everything = changes(self.built.files, {}, self.digests)
        push = PushFiles(
            self.space,
            files=everything.add,
            delete=(),
            replaced=frozenset(),
            bytes=everything.bytes,
            message=self.choices.message,
            parent=None,
        )
        return [create, push]

    def _files(self, present: Present) -> FilePlan:
        files = drifting.weigh_files(
            self.hub, self.space, self.built.files, present, self.last, self.digests, self.choices.on_drift
        )
        if files.contested:
            raise drifting.conflict(self.space, files.contested)
        return files

    def _variables(self, present: Present) -> VariablePlan:
        variables = drifting.weigh_variables(self.spec.variables, present, self.last, self.choices.on_drift)
        if variables.contested:
            raise drifting.conflict(self.space, variables.contested)
        return variables

    def _push(self, present: Present, files: FilePlan) -> list[Step]:
        if not files.changes:
            return []
        step = PushFiles(
            self.space,
            files=files.changes.add,
            delete=files.changes.delete,
            replaced=frozenset(f.path for f in files.changes.add if f.path in present.files),
            bytes=files.changes.bytes,
            message=self.choices.message,
            parent=present.head,
        )
        return [step]

    def _settings(self, present: Present, variables: VariablePlan) -> list[Step]:
        there, wanted = present.variables, variables.final
        steps: list[Step] = [
            SetSecret(
                self.space,
                secret,
                is_new=secret.name not in present.secret_names,
                allow_write_token=self.choices.allow_write_token,
            )
            for secret in self.spec.secrets
            if self.choices.set_secrets or secret.name not in present.secret_names
        ]
        steps += [
            SetVariable(self.space, name, there.get(name), value)
            for name, value in wanted.items()
            if there.get(name) != value
        ]
        steps += [DeleteVariable(self.space, name, there[name]) for name in variables.delete if name in there]
        if _mounts(present.volumes) != _mounts(self.volumes) and (self.volumes or self._had_volumes()):
            steps.append(SetVolumes(self.space, present.volumes, self.volumes))
        return steps

    def _had_volumes(self) -> bool:
        return bool(self.last and self.last.volumes)

    def _running(self) -> tuple[Running, tuple[Drift, ...]]:
        """Return the hardware, sleep and replicas it is to have; with ADOPT, those somebody else chose."""
        wanted = Running(self._wanted_hardware(), self.spec.sleep_seconds, self.spec.replicas)
        if self.present is None or self.last is None or self.built.sdk == "static":
            return wanted, ()
        there, sleep, last = self.present.hardware, self.present.runtime.sleep_seconds, self.last
        drift: list[Drift] = []
        if wanted.flavor and last.hardware and there not in (last.hardware, wanted.flavor.name):
            drift.append(Drift("hardware", str(self.space), last.hardware, there))
        if (
            wanted.sleep is not None
            and last.sleep is not None
            and sleep not in (None, last.sleep, wanted.sleep)
        ):
            drift.append(Drift("sleep", str(self.space), f"{last.sleep} s", f"{sleep} s"))
        replicas = self.present.replicas
        if wanted.replicas and last.replicas and replicas not in (last.replicas, wanted.replicas):
            drift.append(Drift("replicas", str(self.space), str(last.replicas), str(replicas)))
        if self.choices.on_drift is OnDrift.ADOPT:
            kinds = {item.kind for item in drift}
            wanted = Running(
                self.flavors.get(there) if "hardware" in kinds else wanted.flavor,
                sleep if "sleep" in kinds else wanted.sleep,
                replicas if "replicas" in kinds else wanted.replicas,
            )
        return wanted, tuple(drift)

    def _afterwards(self, running: Running) -> list[Step]:
        if self.built.sdk == "static":
            return []
        return [*self._move(running), *self._scale(running)]

    def _scale(self, running: Running) -> list[Step]:
        """Return what brings it to its replicas, once it is on its hardware."""
        flavor = running.flavor.name if running.flavor else self._final_hardware()
        before = self.present.replicas if self.present else 1
        if running.replicas is None or running.replicas == before:
            return []
        price = self._price(flavor)
        if price == 0:
            if running.replicas > 1:
                self.notes.append(f"`{flavor}` has one replica; `replicas` counts on paid hardware only")
            return []
        return [SetReplicas(self.space, before, running.replicas, price * running.replicas)]

    def _move(self, running: Running) -> list[Step]:
        """Return what brings it to its hardware, and to its sleep there."""
        wanted, sleep, present = running.flavor, running.sleep, self.present
        now = present.hardware if present else _born_on(wanted)
        if wanted and wanted.name != now:
            sleep_too = sleep if wanted.usd_per_hour > 0 else None
            return [SetHardware(self.space, now, wanted.name, sleep_too, wanted.usd_per_hour)]
        if sleep is None:
            return []
        if self._price(now) == 0:
            self.notes.append(f"`{now}` sleeps after 48 hours; `sleep` counts on paid hardware only")
            return []
        before = present.runtime.sleep_seconds if present else None
        return [] if before == sleep else [SetSleep(self.space, before, sleep)]

    def _wanted_hardware(self) -> Flavor | None:
        if not self.spec.hardware:
            return None
        known = [self.flavors[name] for name in self.spec.hardware if name in self.flavors]
        if not known:
            raise ConfigError(
                f"This Hub has no hardware called `{self.spec.hardware[0]}`",
                where=self.hub.endpoint,
                hint=f"It has: {', '.join(f'`{name}`' for name in self.flavors)}",
            )
        return known[0]

    def _final_hardware(self) -> str:
        if wanted := self._wanted_hardware():
            return wanted.name
        return self.present.hardware if self.present else "cpu-basic"

    def _final_replicas(self, running: Running) -> int:
        return running.replicas or (self.present.replicas if self.present else 1)

    def _price(self, flavor: str) -> float:
        if self.built.sdk == "static" or flavor not in self.flavors:
            return 0.0
        return self.flavors[flavor].usd_per_hour

    def _release(self, variables: Mapping[str, str], adopted: tuple[str, ...]) -> Release:
        return Release(
            endpoint=self.hub.identity,
            space=str(self.space),
            revision=self.present.head if self.present else "",
            variables=dict(variables),
            secret_names=sorted(secret.name for secret in self.spec.secrets),
            hardware=self._final_hardware(),
            sleep=self.spec.sleep_seconds,
            replicas=self.spec.replicas,
            volumes=self.volumes,
            adopted=adopted,
            result="deploying",
            by=self.choices.by,
        )


def _born_on(wanted: Flavor | None) -> str:
    return _ZERO_GPU if wanted and wanted.name == _ZERO_GPU else "cpu-basic"


def _mounts(volumes: tuple[Mapping[str, Any], ...]) -> set[tuple[object, ...]]:
    return {
        (v.get("type"), v.get("source"), v.get("mountPath"), bool(v.get("readOnly", True))) for v in volumes
    }
