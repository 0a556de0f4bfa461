"""What the rest of the product needs from a Hub, and nothing more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.stage import Stage


@dataclass(frozen=True, slots=True)
class Account:
    """Who the token belongs to."""

    name: str
    full_name: str
    can_write: bool
    is_pro: bool


@dataclass(frozen=True, slots=True)
class TokenRights:
    """What a token may do, as the Hub tells its bearer; never the token."""

    role: str  # read, write or fineGrained
    may_change: tuple[str, ...] = ()  # such as ``repo.write of ada``; empty: it only reads


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository at one revision."""

    path: str
    size: int  # bytes
    git_oid: str  # sha1 of the git blob (of the pointer, for a large file)
    sha256: str | None  # of the content, for a large file only


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One file that is to be in the repository; *content* for text made in memory, else *source*."""

    path: str
    source: Path | None = None
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit call left behind."""

    revision: str  # sha1
    url: str
    changed: bool  # False: everything was there already, and no commit was made
    uploaded_bytes: int


@dataclass(frozen=True, slots=True)
class SpaceSettings:
    """All that is set in the one call that creates a Space, before its first build."""

    sdk: str
    visibility: Visibility = Visibility.PUBLIC
    hardware: str | None = None
    sleep_seconds: int | None = None  # None: the Hub's default; -1: never
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    volumes: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class SpaceRuntime:
    """A Space as the Hub sees it now."""

    stage: Stage
    raw_stage: str  # as the Hub said it, also when we do not know the word
    revision: str | None  # the commit that answers requests, absent while nothing does
    hardware: str | None
    requested_hardware: str | None
    sleep_seconds: int | None
    error: str | None
    raw: Mapping[str, Any] = field(repr=False, default_factory=dict)

    @property
    def replicas(self) -> int:
        """How many equal apps answer requests now; 0 too where the Hub does not tell."""
        up = (self.raw.get("replicas") or {}).get("current")
        return up if isinstance(up, int) else 0

    @property
    def requested_replicas(self) -> int:
        """How many equal apps are to share the requests; 1 too where the Hub decides on its own."""
        asked = (self.raw.get("replicas") or {}).get("requested")
        return asked if isinstance(asked, int) else 1


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a build or run log; *at* is an ISO 8601 time in UTC."""

    text: str
    at: str


@dataclass(frozen=True, slots=True)
class Flavor:
    """One kind of hardware and its price, as ``GET /api/spaces/hardware`` tells."""

    name: str
    pretty_name: str
    cpu: str
    memory: str
    accelerator: str | None
    usd_per_hour: float


class Hub(Protocol):
    """
    A Hub: huggingface.co, or the one on this machine; callers cannot tell which.

    Every method raises the narrow errors of ``spacehand.errors`` (AuthError, PaymentError, NotFoundError,
    ConflictError, HubUnreachableError …) and no others.
    """

    @property
    def endpoint(self) -> str:
        """The Hub's address without a trailing slash."""
        ...

    @property
    def identity(self) -> str:
        """The name under which history keeps this Hub: its address, or ``local``, whose port may change."""
        ...

    def whoami(self) -> Account: ...

    def rights(self, token: str) -> TokenRights | None:
        """Return what *token*, another one than ours, may do here; None where this Hub does not know it."""
        ...

    def head(self, kind: RepoKind, repo: RepoId) -> str | None:
        """Return the sha of ``main``, or None when the repository does not exist."""
        ...

    def create_model(self, repo: RepoId, visibility: Visibility) -> str:
        """Create the model repository if need be, and return its URL."""
        ...

    def create_space(self, repo: RepoId, settings: SpaceSettings) -> str:
        """Create the Space with all its settings in one call, and return its page's URL."""
        ...

    def files(self, kind: RepoKind, repo: RepoId, revision: str = "main") -> dict[str, RemoteFile]: ...

    def read(self, kind: RepoKind, repo: RepoId, path: str, revision: str = "main") -> bytes | None:
        """Return a small file's bytes, or None when it is not there."""
        ...

    def commit(
        self,
        kind: RepoKind,
        repo: RepoId,
        *,
        files: Sequence[LocalFile],
        delete: Sequence[str],
        message: str,
        parent: str | None,
    ) -> Commit:
        """
        Upload *files* and remove *delete* in one commit on ``main``.

        Raises:
            ConflictError: ``main`` is no longer at *parent*.
        """
        ...

    def runtime(self, space: RepoId) -> SpaceRuntime: ...

    def variables(self, space: RepoId) -> dict[str, str]: ...

    def secret_names(self, space: RepoId) -> dict[str, str]:
        """Return each secret's name and when it was last set; values never come back."""
        ...

    def set_variable(self, space: RepoId, name: str, value: str) -> None: ...

    def delete_variable(self, space: RepoId, name: str) -> None: ...

    def set_secret(self, space: RepoId, name: str, value: str) -> None: ...

    def delete_secret(self, space: RepoId, name: str) -> None: ...

    def set_volumes(self, space: RepoId, volumes: Sequence[Mapping[str, Any]]) -> None:
        """Replace the Space's volumes, spelled as the Hub's API spells them; none removes all."""
        ...

    def set_hardware(self, space: RepoId, flavor: str, sleep_seconds: int | None) -> None: ...

    def set_sleep(self, space: RepoId, seconds: int) -> None: ...

    def set_replicas(self, space: RepoId, replicas: int) -> None: ...

    def pause(self, space: RepoId) -> None: ...

    def restart(self, space: RepoId, *, factory: bool = False) -> None: ...

    def logs(self, space: RepoId, kind: str, *, follow: bool = False) -> Iterator[LogLine]:
        """Yield lines of the ``build`` or ``run`` log, oldest first."""
        ...

    def events(self, space: RepoId, *, timeout: float) -> Iterator[SpaceRuntime]:
        """
        Yield the runtime each time it changes, at first the present one, for *timeout* seconds at most.

        Uses the event stream where there is one, else polls slowly: 1,000 calls in 5 minutes are allowed.
        """
        ...

    def flavors(self) -> list[Flavor]: ...

    def page_url(self, kind: RepoKind, repo: RepoId) -> str:
        """The page for people."""
        ...

    def app_url(self, space: RepoId) -> str:
        """The address the app itself answers at."""
        ...

    def app_headers(self) -> dict[str, str]:
        """What a request to a private Space's own address must carry; it holds the token."""
        ...
