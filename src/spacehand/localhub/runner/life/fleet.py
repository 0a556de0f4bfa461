"""The equal apps that run one version of a Space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacehand.localhub.runner.address import Address
    from spacehand.localhub.runner.build.builder import Built
    from spacehand.localhub.runner.build.plan import BuildPlan
    from spacehand.localhub.runner.life.replica import Replica


@dataclass(eq=False)
class Fleet:
    """Replicas of one commit, each of which may answer any request; who serves or sleeps has at least one."""

    sha: str
    members: list[Replica] = field(default_factory=list)  # the one that was started first comes first
    made: tuple[BuildPlan, Built] | None = None  # what more are started from; None: an earlier Hub built it

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(member.token for member in self.members)

    @property
    def addresses(self) -> Sequence[Address]:
        return [member.address for member in self.members]

    @property
    def headers(self) -> Mapping[str, str]:
        """What the card adds to each answer."""
        return self.members[0].headers

    @property
    def started(self) -> float:
        """When the first of them was started (unix time)."""
        return min(member.started for member in self.members)

    @property
    def is_static(self) -> bool:
        """There are only files, which need nobody beside them."""
        return any(member.app is None for member in self.members)

    def has_settings(self, mark: str) -> bool:
        """Whether all of them were started with the settings that have *mark*."""
        return all(member.settings == mark for member in self.members)
