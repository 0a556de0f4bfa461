"""A Space as it is now: everything a plan compares with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spacehand.hub._protocol import Hub, RemoteFile, SpaceRuntime
from spacehand.ids import RepoId, RepoKind

# What a Hub writes itself when a Space is created.
_BORN_WITH = frozenset({".gitattributes", "README.md"})


@dataclass(frozen=True, slots=True)
class Present:
    """What the Hub says about one existing Space."""

    head: str  # sha1 of main
    files: Mapping[str, RemoteFile]
    variables: Mapping[str, str]
    secret_names: frozenset[str]
    runtime: SpaceRuntime
    volumes: tuple[Mapping[str, Any], ...] = field(default=())

    @classmethod
    def of(cls, hub: Hub, space: RepoId) -> Present | None:
        """Return the Space as it is now, None when it does not exist."""
        head = hub.head(RepoKind.SPACE, space)
        if head is None:
            return None
        runtime = hub.runtime(space)
        return cls(
            head=head,
            files=hub.files(RepoKind.SPACE, space, head),
            variables=hub.variables(space),
            secret_names=frozenset(hub.secret_names(space)),
            runtime=runtime,
            volumes=tuple(runtime.raw.get("volumes") or ()),
        )

    @property
    def is_new(self) -> bool:
        """Nobody has pushed anything yet."""
        return _BORN_WITH.issuperset(self.files)

    @property
    def replicas(self) -> int:
        """How many equal apps share the requests."""
        return self.runtime.requested_replicas

    @property
    def hardware(self) -> str:
        """The flavor it has or waits for."""
        return self.runtime.requested_hardware or self.runtime.hardware or "cpu-basic"
