"""What the runner needs from the rest of the local Hub, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from spacehand.localhub.runner.address import Address

if TYPE_CHECKING:
    from collections.abc import Callable

    from spacehand.ids import RepoId, RepoKind
    from spacehand.localhub.repos.snapshot import Snapshot
    from spacehand.localhub.repos.store import Repo
    from spacehand.localhub.store.database import Database
    from spacehand.localhub.store.place import Place


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a Space's owner set for it, outside its repository."""

    hardware: str = "cpu-basic"
    sleep_seconds: int | None = None  # None: the Hub's default; -1: never
    paused: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    volumes: Sequence[Mapping[str, Any]] = ()


class GatewayParts(Protocol):
    """The routing table that requests to Spaces go through."""

    def serve(self, repo: Repo, address: Address, *, headers: Mapping[str, str] = ...) -> None:
        """
        Send every new request for *repo* to *address*, adding *headers* to each answer.

        Requests under way at an earlier address are left to finish there.
        """
        ...

    def withdraw(self, repo: Repo) -> None:
        """Send no more requests; they are answered 503 until the next `serve`."""
        ...

    def in_flight(self, address: Address) -> int:
        """Return how many requests are under way at *address*."""
        ...

    def last_request(self, repo: Repo) -> float | None:
        """Return when the last request came (unix time), or None when none ever did."""
        ...


class RepoParts(Protocol):
    """The repositories, as far as running Spaces goes."""

    def get(self, kind: RepoKind, id: RepoId) -> Repo: ...  # noqa: A002 - the store's own word

    def list(self, kind: RepoKind) -> Sequence[Repo]: ...

    def snapshot(self, repo: Repo, revision: str) -> Snapshot: ...


class HubParts(Protocol):
    """The local Hub, as the runner sees it."""

    place: Place
    database: Database
    endpoint: str
    repos: RepoParts
    gateway: GatewayParts
    pushed: list[Callable[[Repo, str, str], None]]
