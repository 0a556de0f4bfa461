"""A Hub in memory, behind the Protocol: commits, stale parents refused, Spaces that go through stages."""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spacehand.errors import AuthError, ConflictError, NotFoundError, PaymentError, SpacehandError, UsageError
from spacehand.hub._protocol import (
    Account,
    Commit,
    Flavor,
    LocalFile,
    LogLine,
    RemoteFile,
    SpaceRuntime,
    SpaceSettings,
    TokenRights,
)
from spacehand.hub.changes import digest, size
from spacehand.hub.digests import Digest, Digests
from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.stage import Stage

GIT_ATTRIBUTES = b"".join(
    b"%s filter=lfs diff=lfs merge=lfs -text\n" % pattern
    for pattern in (b"*.bin", b"*.safetensors", b"*.onnx", b"*.pt", b"*.zip", b"*.parquet")
)
FLAVORS = (
    Flavor("cpu-basic", "CPU basic", "2 vCPU", "16 GB", None, 0.0),
    Flavor("cpu-upgrade", "CPU upgrade", "8 vCPU", "32 GB", None, 0.03),
    Flavor("t4-small", "Nvidia T4 - small", "4 vCPU", "15 GB", "1x Nvidia T4 (16 GB)", 0.40),
    Flavor("l4x1", "1x Nvidia L4", "8 vCPU", "30 GB", "1x Nvidia L4 (24 GB)", 0.80),
)
GOOD = (Stage.BUILDING, Stage.APP_STARTING, Stage.RUNNING)
_LARGE = 10 << 20  # bytes; the Hub wants larger files as LFS
_KEEP = 32 << 20  # bytes; of larger files only the digests are kept


@dataclass(frozen=True, slots=True)
class Stored:
    """One file of one revision; *content* is absent when it was too large to keep."""

    file: RemoteFile
    content: bytes | None


@dataclass
class Repo:
    """One repository: its revisions, oldest first, the last being ``main``."""

    visibility: Visibility
    revisions: dict[str, dict[str, Stored]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    @property
    def head(self) -> str:
        return next(reversed(self.revisions))


@dataclass
class Space:
    """What a Space has beside its files."""

    settings: SpaceSettings
    variables: dict[str, str]
    secrets: dict[str, str]
    hardware: str
    requested_hardware: str
    sleep_seconds: int | None
    volumes: Sequence[Mapping[str, Any]] = ()
    replicas: int = 1
    up: int | None = None  # how many of them answer; None: all
    stage: Stage = Stage.NO_APP_FILE
    revision: str | None = None  # the commit that answers
    ahead: list[tuple[Stage, str | None]] = field(default_factory=list)  # what comes, one step a look
    error: str | None = None
    build_log: list[str] = field(default_factory=list)
    run_log: list[str] = field(default_factory=list)


class FakeHub:
    """
    Implements ``spacehand.hub._protocol.Hub``.

    Tests arrange: `builds` (the stages of the coming builds; a build that is not scripted is good), `refuse`
    (errors that the next call of a method raises), `before` (called before a method, to interfere), and look
    at: `calls`, `uploaded`, `repo(...)`, `space(...)`.
    """

    def __init__(
        self, owner: str = "ada", *, pays: bool = True, can_write: bool = True, digests: Digests | None = None
    ) -> None:
        self.owner = owner
        self.pays = pays
        self.can_write = can_write
        self.calls: list[str] = []
        self.uploaded = 0  # bytes that moved, over all commits
        self.known_tokens: dict[str, TokenRights] = {}
        self.builds: list[Sequence[Stage]] = []
        self.refuse: dict[str, list[SpacehandError]] = {}
        self.before: dict[str, Callable[[], None]] = {}
        self._repos: dict[tuple[RepoKind, str], Repo] = {}
        self._spaces: dict[str, Space] = {}
        self._large: set[str] = set()  # sha256 of what came as LFS: uploaded once, whatever the repository
        self._digests = digests or Digests()
        self._ids = itertools.count(1)

    # What tests look at

    def repo(self, kind: RepoKind, repo: RepoId) -> Repo:
        if found := self._repos.get((kind, str(repo).lower())):
            return found
        raise NotFoundError(f"`{repo}` does not exist on {self.endpoint}", where=str(repo))

    def space(self, space: RepoId) -> Space:
        self.repo(RepoKind.SPACE, space)
        return self._spaces[str(space).lower()]

    def text(self, kind: RepoKind, repo: RepoId, path: str) -> str:
        content = self.repo(kind, repo).revisions[self.repo(kind, repo).head][path].content
        assert content is not None
        return content.decode()

    def edit(self, kind: RepoKind, repo: RepoId, path: str, content: str) -> str:
        """Change one file as a person does in the browser; return the new revision."""
        return self._commit(self.repo(kind, repo), [LocalFile(path, content=content.encode())], [], "Edit")

    # The Protocol: repositories

    @property
    def endpoint(self) -> str:
        return "http://127.0.0.1:7870"

    @property
    def identity(self) -> str:
        return self.endpoint

    def whoami(self) -> Account:
        self._called("whoami")
        return Account(self.owner, self.owner.title(), self.can_write, is_pro=self.pays)

    def rights(self, token: str) -> TokenRights | None:
        return self.known_tokens.get(token)

    def head(self, kind: RepoKind, repo: RepoId) -> str | None:
        self._called("head")
        found = self._repos.get((kind, str(repo).lower()))
        return found.head if found else None

    def create_model(self, repo: RepoId, visibility: Visibility) -> str:
        self._called("create_model")
        self._may_write(repo)
        if (RepoKind.MODEL, str(repo).lower()) not in self._repos:
            self._create(RepoKind.MODEL, repo, visibility)
        return self.page_url(RepoKind.MODEL, repo)

    def create_space(self, repo: RepoId, settings: SpaceSettings) -> str:
        self._called("create_space")
        self._may_write(repo)
        if settings.sdk not in ("gradio", "docker", "static"):
            raise UsageError(f"`{settings.sdk}` is no SDK of the Hub", where=str(repo))
        if (RepoKind.SPACE, str(repo).lower()) in self._repos:
            raise ConflictError(f"The Space `{repo}` exists already", where=str(repo))
        hardware = settings.hardware or "cpu-basic"
        if not self.pays and settings.sdk != "static" and hardware == "cpu-basic":
            raise PaymentError("Payment Required: a free account creates static Spaces only", where=str(repo))
        created = self._create(RepoKind.SPACE, repo, settings.visibility)
        self._commit(
            created,
            [LocalFile("README.md", content=f"---\nsdk: {settings.sdk}\n---\n".encode())],
            [],
            "initial commit",
        )
        self._spaces[str(repo).lower()] = Space(
            settings,
            dict(settings.variables),
            dict(settings.secrets),
            hardware,
            hardware,
            settings.sleep_seconds,
            tuple(settings.volumes),
        )
        return self.page_url(RepoKind.SPACE, repo)

    def files(self, kind: RepoKind, repo: RepoId, revision: str = "main") -> dict[str, RemoteFile]:
        self._called("files")
        return {path: stored.file for path, stored in self._tree(kind, repo, revision).items()}

    def read(self, kind: RepoKind, repo: RepoId, path: str, revision: str = "main") -> bytes | None:
        self._called("read")
        stored = self._tree(kind, repo, revision).get(path)
        return stored.content if stored else None

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
        self._called("commit")
        self._may_write(repo)
        found = self.repo(kind, repo)
        if parent is not None and parent != found.head:
            raise ConflictError(f"`{repo}` was changed in the meantime", where=str(repo))
        missing = [path for path in delete if path not in found.revisions[found.head]]
        if missing:
            raise NotFoundError(f"`{missing[0]}` is not in `{repo}`", where=str(repo))
        old, moved = found.head, self.uploaded
        new = self._commit(found, files, delete, message)
        if new != old and kind is RepoKind.SPACE:
            self._build(repo)
        url = f"{self.page_url(kind, repo)}/commit/{new}"
        return Commit(new, url, changed=new != old, uploaded_bytes=self.uploaded - moved)

    # The Protocol: Spaces

    def runtime(self, space: RepoId) -> SpaceRuntime:
        """Return the runtime and let the Space go one step on, so that every look sees the next stage."""
        self._called("runtime")
        found = self.space(space)
        seen = _runtime(found)
        self._step(found)
        return seen

    def variables(self, space: RepoId) -> dict[str, str]:
        self._called("variables")
        return dict(self.space(space).variables)

    def secret_names(self, space: RepoId) -> dict[str, str]:
        self._called("secret_names")
        return dict.fromkeys(self.space(space).secrets, "2026-11-21T09:00:00.000Z")

    def set_variable(self, space: RepoId, name: str, value: str) -> None:
        self._called("set_variable")
        self.space(space).variables[name] = value
        self._restart(space)

    def delete_variable(self, space: RepoId, name: str) -> None:
        self._called("delete_variable")
        if self.space(space).variables.pop(name, None) is None:
            raise NotFoundError(f"No variable `{name}`", where=str(space))
        self._restart(space)

    def set_secret(self, space: RepoId, name: str, value: str) -> None:
        self._called("set_secret")
        self.space(space).secrets[name] = value
        self._restart(space)

    def delete_secret(self, space: RepoId, name: str) -> None:
        self._called("delete_secret")
        if self.space(space).secrets.pop(name, None) is None:
            raise NotFoundError(f"No secret `{name}`", where=str(space))
        self._restart(space)

    def set_volumes(self, space: RepoId, volumes: Sequence[Mapping[str, Any]]) -> None:
        self._called("set_volumes")
        self.space(space).volumes = tuple(volumes)
        self._restart(space)

    def set_hardware(self, space: RepoId, flavor: str, sleep_seconds: int | None) -> None:
        self._called("set_hardware")
        if flavor not in {known.name for known in FLAVORS}:
            raise UsageError(f"`{flavor}` is no hardware of this Hub", where=str(space))
        if not self.pays and flavor != "cpu-basic":
            raise PaymentError("Payment Required", where=str(space))
        found = self.space(space)
        found.requested_hardware = found.hardware = flavor
        found.replicas = 1 if flavor == "cpu-basic" else found.replicas
        found.sleep_seconds = sleep_seconds if sleep_seconds is not None else found.sleep_seconds
        self._restart(space)

    def set_sleep(self, space: RepoId, seconds: int) -> None:
        self._called("set_sleep")
        self.space(space).sleep_seconds = seconds

    def set_replicas(self, space: RepoId, replicas: int) -> None:
        self._called("set_replicas")
        found = self.space(space)
        if found.hardware == "cpu-basic" and replicas > 1:
            raise UsageError("Only paid hardware has several replicas", where=str(space))
        found.replicas = replicas

    def pause(self, space: RepoId) -> None:
        self._called("pause")
        found = self.space(space)
        found.stage, found.revision, found.ahead = Stage.PAUSED, None, []

    def restart(self, space: RepoId, *, factory: bool = False) -> None:
        self._called("restart")
        if factory:
            self._build(space)
        else:
            self._restart(space, paused_too=True)

    def logs(self, space: RepoId, kind: str, *, follow: bool = False) -> Iterator[LogLine]:
        self._called("logs")
        found = self.space(space)
        for number, text in enumerate(found.build_log if kind == "build" else found.run_log):
            yield LogLine(text, f"2026-11-21T09:00:00.{number:03}Z")

    def events(self, space: RepoId, *, timeout: float) -> Iterator[SpaceRuntime]:
        self._called("events")
        found = self.space(space)
        yield _runtime(found)
        while found.ahead:
            self._step(found)
            yield _runtime(found)

    def flavors(self) -> list[Flavor]:
        self._called("flavors")
        return list(FLAVORS)

    def page_url(self, kind: RepoKind, repo: RepoId) -> str:
        return f"{self.endpoint}/{kind.web_prefix}{repo}"

    def app_url(self, space: RepoId) -> str:
        return f"http://{space.subdomain}.localhost:7870"

    def app_headers(self) -> dict[str, str]:
        return {}

    # How it works inside

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if interfere := self.before.pop(name, None):
            interfere()
        if waiting := self.refuse.get(name):
            raise waiting.pop(0)

    def _may_write(self, repo: RepoId) -> None:
        if not self.can_write or repo.owner.lower() != self.owner.lower():
            raise AuthError(f"The token may not write to `{repo}`", where=str(repo))

    def _create(self, kind: RepoKind, repo: RepoId, visibility: Visibility) -> Repo:
        created = Repo(visibility, {"0" * 40: {}})
        self._repos[kind, str(repo).lower()] = created
        self._commit(created, [LocalFile(".gitattributes", content=GIT_ATTRIBUTES)], [], "initial commit")
        del created.revisions["0" * 40]
        return created

    def _tree(self, kind: RepoKind, repo: RepoId, revision: str) -> dict[str, Stored]:
        found = self.repo(kind, repo)
        sha = found.head if revision == "main" else revision
        if sha not in found.revisions:
            raise NotFoundError(f"`{repo}` has no revision `{revision}`", where=str(repo))
        return found.revisions[sha]

    def _commit(self, repo: Repo, files: Sequence[LocalFile], delete: Sequence[str], message: str) -> str:
        old = repo.revisions[repo.head]
        # All or nothing, as the Hub: whatever fails below leaves the repository as it was.
        stored = [self._store(file) for file in files]
        tree = {path: entry for path, entry in old.items() if path not in delete}
        tree |= {entry.file.path: entry for entry in stored}
        if _names(tree) == _names(old):
            return repo.head
        seed = f"{next(self._ids)} {repo.head} {sorted(_names(tree).items())}"
        sha = hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest()
        repo.revisions[sha] = tree
        repo.messages.append(message)
        return sha

    def _store(self, file: LocalFile) -> Stored:
        if any(part in ("", ".", "..", ".git") for part in file.path.split("/")) or "\\" in file.path:
            raise UsageError(f"The Hub refuses the path `{file.path}`", where=file.path)
        count, found = size(file), digest(file, self._digests)
        content = file.content
        if content is None and file.source is not None and count <= _KEEP:
            content = file.source.read_bytes()
        if count <= _LARGE and not _is_lfs(file.path):
            self.uploaded += count
            return Stored(RemoteFile(file.path, count, found.git_oid, None), content)
        if found.sha256 not in self._large:
            self.uploaded += count
            self._large.add(found.sha256)
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{found.sha256}\nsize {count}\n"
        oid = Digest.of(pointer.encode()).git_oid
        return Stored(RemoteFile(file.path, count, oid, found.sha256), content)

    def _build(self, space: RepoId) -> None:
        found, sha = self.space(space), self.repo(RepoKind.SPACE, space).head
        serving = found.stage.is_serving
        stages = list(self.builds.pop(0) if self.builds else GOOD)
        during = {Stage.BUILDING: Stage.RUNNING_BUILDING, Stage.APP_STARTING: Stage.RUNNING_APP_STARTING}
        found.error = None
        # As on the Hub: just after a push the runtime still tells of the commit before.
        found.ahead = []
        for stage in stages:
            seen = during.get(stage, stage) if serving else stage
            running = sha if stage is Stage.RUNNING else found.revision if seen.is_serving else None
            found.ahead.append((seen, running))
        if not serving:
            self._step(found)

    def _restart(self, space: RepoId, *, paused_too: bool = False) -> None:
        found = self.space(space)
        waits = found.stage in (Stage.PAUSED, Stage.SLEEPING, Stage.STOPPED)
        if found.stage.is_serving or (waits and paused_too):
            sha = found.revision or self.repo(RepoKind.SPACE, space).head
            found.stage, found.revision = Stage.APP_STARTING, None
            found.ahead = [(Stage.RUNNING, sha)]

    def _step(self, space: Space) -> None:
        if space.ahead:
            space.stage, space.revision = space.ahead.pop(0)
            if space.stage.is_error:
                space.error = f"{space.stage} as the test wanted"


def _runtime(space: Space) -> SpaceRuntime:
    return SpaceRuntime(
        stage=space.stage,
        raw_stage=str(space.stage),
        revision=space.revision,
        hardware=space.hardware if space.stage.is_serving else None,
        requested_hardware=space.requested_hardware,
        sleep_seconds=space.sleep_seconds,
        error=space.error,
        raw={
            "stage": str(space.stage),
            "volumes": [dict(volume) for volume in space.volumes],
            "replicas": {
                "current": space.replicas if space.up is None else space.up,
                "requested": space.replicas,
            },
        },
    )


def _names(tree: dict[str, Stored]) -> dict[str, str]:
    return {path: stored.file.git_oid for path, stored in tree.items()}


def _is_lfs(path: str) -> bool:
    name = path.rpartition("/")[2]
    patterns = (line.split()[0].decode() for line in GIT_ATTRIBUTES.splitlines())
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
