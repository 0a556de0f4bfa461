"""The single steps of a deploy: each is data that can be shown, and knows how to do itself."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from spacehand.deploy.tokens import refuse_writing
from spacehand.errors import PaymentError
from spacehand.hub._protocol import Commit, Hub, LocalFile, SpaceSettings
from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.space.hardware import spoken
from spacehand.space.secrets import Secret


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a plan: what *target* is before and after; None where it is not there."""

    kind: str  # space, file, variable, secret, volumes, hardware, sleep, replicas, stage
    target: str
    before: str | None
    after: str | None

    def to_json(self) -> dict[str, str | None]:
        return {"kind": self.kind, "target": self.target, "before": self.before, "after": self.after}


class Step(Protocol):
    """Something to do to a Hub; it holds no secret's value, only how to read it."""

    def describe(self) -> str:
        """Return one line for people, in the imperative."""
        ...

    def changes(self) -> Sequence[Change]:
        """Return what it changes, for a plan."""
        ...

    def apply(self, hub: Hub) -> Commit | None:
        """Do it; return the commit when it makes one."""
        ...


@dataclass(frozen=True, slots=True)
class CreateSpace:
    """Create the Space with all its settings in one call, so that its first build has them."""

    space: RepoId
    sdk: str
    visibility: Visibility
    hardware: str | None  # None: the Hub's free default
    instead: str | None = None  # hardware to create it on where the Hub refuses the free one
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    volumes: tuple[Mapping[str, Any], ...] = ()
    allow_write_token: bool = False

    def describe(self) -> str:
        where = self.hardware or "cpu-basic"
        fallback = f" (or `{self.instead}`, where the Hub wants to be paid)" if self.instead else ""
        what = f"create the {self.visibility.value} {self.sdk} Space {self.space} on `{where}`{fallback}"
        return f"{what}{_named('variable', self.variables)}{_named('secret', [s.name for s in self.secrets])}"

    def changes(self) -> Sequence[Change]:
        lines = [Change("space", str(self.space), None, f"{self.sdk}, {self.visibility.value}")]
        lines += [Change("variable", name, None, value) for name, value in self.variables.items()]
        lines += [Change("secret", secret.name, None, "set") for secret in self.secrets]
        if self.volumes:
            lines.append(Change("volumes", str(self.space), None, volumes_said(self.volumes)))
        return lines

    def request(self) -> Callable[[Hub], None]:
        """Read the secrets, and return the request that holds them."""
        return functools.partial(self._create, {secret.name: secret.read() for secret in self.secrets})

    def apply(self, hub: Hub) -> None:
        self.request()(hub)

    def _create(self, secrets: Mapping[str, str], hub: Hub) -> None:
        if not self.allow_write_token:
            refuse_writing(secrets, hub)
        try:
            hub.create_space(self.space, self._settings(self.hardware, secrets))
        except PaymentError:
            if self.instead is None:
                raise
            hub.create_space(self.space, self._settings(self.instead, secrets))

    def _settings(self, hardware: str | None, secrets: Mapping[str, str]) -> SpaceSettings:
        return SpaceSettings(
            sdk=self.sdk,
            visibility=self.visibility,
            hardware=hardware,
            variables=dict(self.variables),
            secrets=secrets,
            volumes=self.volumes,
        )


def _named(kind: str, names: Iterable[str]) -> str:
    listed = [f"`{name}`" for name in names]
    return f", {kind}{'s' if len(listed) > 1 else ''} {', '.join(listed)}" if listed else ""


@dataclass(frozen=True, slots=True)
class SetVariable:
    space: RepoId
    name: str
    before: str | None
    value: str

    def describe(self) -> str:
        return f"set the variable `{self.name}` to `{self.value}`"

    def changes(self) -> Sequence[Change]:
        return [Change("variable", self.name, self.before, self.value)]

    def apply(self, hub: Hub) -> None:
        hub.set_variable(self.space, self.name, self.value)


@dataclass(frozen=True, slots=True)
class DeleteVariable:
    space: RepoId
    name: str
    before: str

    def describe(self) -> str:
        return f"remove the variable `{self.name}`"

    def changes(self) -> Sequence[Change]:
        return [Change("variable", self.name, self.before, None)]

    def apply(self, hub: Hub) -> None:
        hub.delete_variable(self.space, self.name)


@dataclass(frozen=True, slots=True)
class SetSecret:
    """Set a secret; its value is read when the step is applied, and forgotten with the request."""

    space: RepoId
    secret: Secret
    is_new: bool
    allow_write_token: bool = False

    def describe(self) -> str:
        return f"set the secret {self.secret.describe()}"

    def changes(self) -> Sequence[Change]:
        return [Change("secret", self.secret.name, None if self.is_new else "set", "set")]

    def request(self) -> Callable[[Hub], None]:
        """Read the secret, and return the request that holds it."""
        return functools.partial(self._set, self.secret.read())

    def apply(self, hub: Hub) -> None:
        self.request()(hub)

    def _set(self, value: str, hub: Hub) -> None:
        if not self.allow_write_token:
            refuse_writing({self.secret.name: value}, hub)
        hub.set_secret(self.space, self.secret.name, value)


@dataclass(frozen=True, slots=True)
class SetVolumes:
    space: RepoId
    before: tuple[Mapping[str, Any], ...]
    volumes: tuple[Mapping[str, Any], ...]

    def describe(self) -> str:
        return f"mount {volumes_said(self.volumes)}" if self.volumes else "remove the volumes"

    def changes(self) -> Sequence[Change]:
        return [
            Change("volumes", str(self.space), volumes_said(self.before), volumes_said(self.volumes)),
        ]

    def apply(self, hub: Hub) -> None:
        hub.set_volumes(self.space, self.volumes)


@dataclass(frozen=True, slots=True)
class PushFiles:
    """Bring the Space's files to what was built, in one commit on top of *parent*."""

    space: RepoId
    files: tuple[LocalFile, ...]
    delete: tuple[str, ...]
    replaced: frozenset[str]  # of *files*, those that are there with other bytes
    bytes: int
    message: str
    parent: str | None  # None: whatever the newly created Space has

    def describe(self) -> str:
        new, changed = len(self.files) - len(self.replaced), len(self.replaced)
        counts = [(new, "new"), (changed, "changed"), (len(self.delete), "deleted")]
        said = ", ".join(f"{count} {word}" for count, word in counts if count)
        return f"push files in one commit: {said} ({self.bytes:,} bytes)"

    def changes(self) -> Sequence[Change]:
        put = [
            Change("file", f.path, "there" if f.path in self.replaced else None, "new bytes")
            for f in self.files
        ]
        return [*put, *(Change("file", path, "there", None) for path in self.delete)]

    def apply(self, hub: Hub) -> Commit:
        return hub.commit(
            RepoKind.SPACE,
            self.space,
            files=self.files,
            delete=self.delete,
            message=self.message,
            parent=self.parent,
        )


@dataclass(frozen=True, slots=True)
class SetHardware:
    space: RepoId
    before: str | None
    flavor: str
    sleep_seconds: int | None
    usd_per_hour: float

    def describe(self) -> str:
        return f"move to `{self.flavor}` (${self.usd_per_hour:.2f} an hour)"

    def changes(self) -> Sequence[Change]:
        return [Change("hardware", str(self.space), self.before, self.flavor)]

    def apply(self, hub: Hub) -> None:
        if hub.runtime(self.space).requested_hardware != self.flavor:
            hub.set_hardware(self.space, self.flavor, self.sleep_seconds)
        elif (
            self.sleep_seconds is not None
        ):  # it was created there: moving again would restart it for nothing
            hub.set_sleep(self.space, self.sleep_seconds)


@dataclass(frozen=True, slots=True)
class SetSleep:
    space: RepoId
    before: int | None
    seconds: int

    def describe(self) -> str:
        if self.seconds < 0:
            return "never put it to sleep"
        return f"put it to sleep after {spoken(self.seconds)} without a visitor"

    def changes(self) -> Sequence[Change]:
        before = None if self.before is None else spoken(self.before)
        return [Change("sleep", str(self.space), before, spoken(self.seconds))]

    def apply(self, hub: Hub) -> None:
        hub.set_sleep(self.space, self.seconds)


@dataclass(frozen=True, slots=True)
class SetReplicas:
    space: RepoId
    before: int
    replicas: int
    usd_per_hour: float  # of all together

    def describe(self) -> str:
        number = "one replica" if self.replicas == 1 else f"{self.replicas} replicas"
        return f"run {number} (${self.usd_per_hour:.2f} an hour)"

    def changes(self) -> Sequence[Change]:
        return [Change("replicas", str(self.space), str(self.before), str(self.replicas))]

    def apply(self, hub: Hub) -> None:
        hub.set_replicas(self.space, self.replicas)


def volumes_said(volumes: Sequence[Mapping[str, Any]]) -> str:
    """Return *volumes* as one text: ``model ada/tiny at /models/tiny``."""
    return ", ".join(f"{v.get('type')} {v.get('source')} at {v.get('mountPath')}" for v in volumes) or "none"
