"""A Hub over HTTP, through the official client."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from spacehand.errors import (
    AuthError,
    ConflictError,
    FrontMatterError,
    HubUnreachableError,
    NotFoundError,
)
from spacehand.hub import events as _events
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
from spacehand.hub.client import HubClient
from spacehand.hub.flavors import parse_flavor
from spacehand.hub.refusal import one_line
from spacehand.hub.rights import parse_rights
from spacehand.ids import RepoId, RepoKind, Visibility

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

_RECONNECTS = 5


class RemoteHub:
    """The Hub at *endpoint*, spoken to with *token*."""

    def __init__(
        self,
        endpoint: str,
        token: str | None = None,
        *,
        identity: str | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._identity = identity
        self._client = HubClient(endpoint.rstrip("/"), token, sleep)
        self._now = now
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"RemoteHub({self._client.endpoint!r})"

    @property
    def endpoint(self) -> str:
        return self._client.endpoint

    @property
    def identity(self) -> str:
        return self._identity or self._client.endpoint

    def app_headers(self) -> dict[str, str]:
        """Return what a request to a private Space's own address must carry."""
        return {"Authorization": f"Bearer {self._client.token}"} if self._client.token else {}

    def sign_in_link(self, page: str) -> str:
        """Return a link to *page* of the local Hub that signs a browser in, once; other Hubs have none."""
        path = page.removeprefix(self._client.endpoint) or "/"
        return str(self._client.json("POST", "/api/spacehand/sign-in-link", json={"next": path})["url"])

    def new_read_token(self, name: str) -> str:
        """Return a new token of the local Hub that may read and nothing else; other Hubs give none."""
        return str(
            self._client.json("POST", "/api/spacehand/tokens", json={"name": name, "role": "read"})["token"]
        )

    # Accounts and repositories

    def whoami(self) -> Account:
        body = self._client.json("GET", "/api/whoami-v2")
        role = (body.get("auth") or {}).get("accessToken", {}).get("role", "read")
        return Account(
            name=body["name"],
            full_name=body.get("fullname") or body["name"],
            # A fine-grained token tells its rights only per repository: let the Hub decide.
            can_write=role != "read",
            is_pro=bool(body.get("isPro")),
        )

    def rights(self, token: str) -> TokenRights | None:
        other = RemoteHub(self._client.endpoint, token, now=self._now, sleep=self._sleep)
        try:
            return parse_rights(other._client.json("GET", "/api/whoami-v2", hidden=(token,)))
        except AuthError:
            return None

    def head(self, kind: RepoKind, repo: RepoId) -> str | None:
        try:
            sha: str | None = self._client.json(
                "GET", f"{_api(kind, repo)}/revision/main", params={"expand": "sha"}
            )["sha"]
        except NotFoundError:
            return None
        return sha

    def create_model(self, repo: RepoId, visibility: Visibility) -> str:
        # Not `exist_ok`: on a 401 the client then builds a URL that it cannot parse itself.
        with contextlib.suppress(ConflictError), self._client.speaking(f"{repo}"):
            self._client.api.create_repo(str(repo), repo_type="model", visibility=visibility.value)
        return self.page_url(RepoKind.MODEL, repo)

    def create_space(self, repo: RepoId, settings: SpaceSettings) -> str:
        from huggingface_hub import Volume

        with self._client.speaking(f"{repo}", hidden=tuple(settings.secrets.values())):
            self._client.api.create_repo(
                str(repo),
                repo_type="space",
                visibility=settings.visibility.value,
                space_sdk=settings.sdk,
                # The client's type is its enum, but a flavor newer than the client must work too.
                space_hardware=settings.hardware,  # type: ignore[arg-type]
                space_sleep_time=settings.sleep_seconds,
                space_secrets=_pairs(settings.secrets),
                space_variables=_pairs(settings.variables),
                space_volumes=[Volume(**volume) for volume in settings.volumes] or None,
            )
        return self.page_url(RepoKind.SPACE, repo)

    def files(self, kind: RepoKind, repo: RepoId, revision: str = "main") -> dict[str, RemoteFile]:
        from huggingface_hub.hf_api import RepoFile

        with self._client.speaking(f"{repo}"):
            tree = self._client.api.list_repo_tree(
                str(repo), recursive=True, revision=revision, repo_type=kind.value
            )
            return {
                item.path: RemoteFile(
                    item.path, item.size, item.blob_id, item.lfs.sha256 if item.lfs else None
                )
                for item in tree
                if isinstance(item, RepoFile)
            }

    def read(self, kind: RepoKind, repo: RepoId, path: str, revision: str = "main") -> bytes | None:
        address = f"/{kind.web_prefix}{repo}/resolve/{quote(revision, safe='')}/{quote(path)}"
        try:
            content: bytes = self._client.request("GET", address).content
        except NotFoundError:
            return None
        return content

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
        from huggingface_hub import CommitOperationDelete

        before = parent or self.head(kind, repo)
        if before is None and not files:
            raise NotFoundError("There is no such repository to commit to", where=str(repo))
        if before is not None and not files and not delete:
            return Commit(before, self._commit_url(kind, repo, before), changed=False, uploaded_bytes=0)
        additions = [_addition(file) for file in files]
        operations: list[Any] = [
            *additions,
            *(CommitOperationDelete(path, is_folder=False) for path in delete),
        ]
        revision = self._create_commit(kind, repo, operations, message, parent)
        if revision == before:
            return Commit(revision, self._commit_url(kind, repo, revision), changed=False, uploaded_bytes=0)
        sent = sum(add.upload_info.size for add in additions if not _was_there(add))
        return Commit(revision, self._commit_url(kind, repo, revision), changed=True, uploaded_bytes=sent)

    # Spaces

    def runtime(self, space: RepoId) -> SpaceRuntime:
        # Raw JSON: the client's enum does not know SLEEPING, nor what the Hub will say tomorrow.
        return _events.parse_runtime(self._client.json("GET", f"{_space(space)}/runtime"))

    def variables(self, space: RepoId) -> dict[str, str]:
        body = self._client.json("GET", f"{_space(space)}/variables")
        return {name: str(item.get("value", "")) for name, item in body.items()}

    def secret_names(self, space: RepoId) -> dict[str, str]:
        body = self._client.json("GET", f"{_space(space)}/secrets")
        return {name: str(item.get("updatedAt") or "") for name, item in body.items()}

    def set_variable(self, space: RepoId, name: str, value: str) -> None:
        self._client.json("POST", f"{_space(space)}/variables", json={"key": name, "value": value})

    def delete_variable(self, space: RepoId, name: str) -> None:
        self._client.json("DELETE", f"{_space(space)}/variables", json={"key": name})

    def set_secret(self, space: RepoId, name: str, value: str) -> None:
        self._client.json(
            "POST", f"{_space(space)}/secrets", json={"key": name, "value": value}, hidden=(value,)
        )

    def delete_secret(self, space: RepoId, name: str) -> None:
        self._client.json("DELETE", f"{_space(space)}/secrets", json={"key": name})

    def set_volumes(self, space: RepoId, volumes: Sequence[Mapping[str, Any]]) -> None:
        if volumes:
            self._client.json(
                "PUT", f"{_space(space)}/volumes", json={"volumes": [dict(volume) for volume in volumes]}
            )
        else:
            self._client.json("DELETE", f"{_space(space)}/volumes")

    def set_hardware(self, space: RepoId, flavor: str, sleep_seconds: int | None) -> None:
        body: dict[str, Any] = {"flavor": flavor}
        if sleep_seconds is not None:
            body["sleepTimeSeconds"] = sleep_seconds
        self._client.json("POST", f"{_space(space)}/hardware", json=body)

    def set_sleep(self, space: RepoId, seconds: int) -> None:
        self._client.json("POST", f"{_space(space)}/sleeptime", json={"seconds": seconds})

    def set_replicas(self, space: RepoId, replicas: int) -> None:
        self._client.json("POST", f"{_space(space)}/replicas", json={"replicas": replicas})

    def pause(self, space: RepoId) -> None:
        self._client.json("POST", f"{_space(space)}/pause")

    def restart(self, space: RepoId, *, factory: bool = False) -> None:
        self._client.json("POST", f"{_space(space)}/restart", params={"factory": "true"} if factory else None)

    def logs(self, space: RepoId, kind: str, *, follow: bool = False) -> Iterator[LogLine]:
        address = f"{_space(space)}/logs/{kind}"
        yielded = 0
        for attempt in range(_RECONNECTS if follow else 1):
            if attempt:
                self._sleep(float(attempt))
            try:
                # The Hub replays the whole buffer on each connection, in the same order.
                for index, line in enumerate(self._client.log(address, follow=follow)):
                    if index >= yielded:
                        yielded = index + 1
                        yield line
            except HubUnreachableError:
                if attempt == _RECONNECTS - 1 or not follow:
                    raise
            else:
                return

    def events(self, space: RepoId, *, timeout: float) -> Iterator[SpaceRuntime]:
        return _events.following(
            lambda: self.runtime(space),
            lambda silence: self._client.events(f"{_space(space)}/events", silence),
            timeout=timeout,
            now=self._now,
            sleep=self._sleep,
        )

    def flavors(self) -> list[Flavor]:
        rows: Any = self._client.json("GET", "/api/spaces/hardware")
        return [parse_flavor(row) for row in rows]

    def page_url(self, kind: RepoKind, repo: RepoId) -> str:
        return f"{self._client.endpoint}/{kind.web_prefix}{repo}"

    def app_url(self, space: RepoId) -> str:
        host = self._client.json("GET", _space(space)).get("host")
        return str(host).rstrip("/") if host else f"https://{space.subdomain}.hf.space"

    def _create_commit(
        self, kind: RepoKind, repo: RepoId, operations: list[Any], message: str, parent: str | None
    ) -> str:
        with self._client.speaking(f"{repo}"), warnings.catch_warnings():
            # The client warns of .parquet in a model repository and the like: decided already.
            warnings.simplefilter("ignore")
            try:
                made = self._client.api.create_commit(
                    str(repo), operations, commit_message=message, repo_type=kind.value, parent_commit=parent
                )
            except ValueError as error:
                if "metadata" in str(error).lower():
                    raise FrontMatterError(one_line(str(error)), where=f"{repo}/README.md") from error
                raise
        return str(made.oid)

    def _commit_url(self, kind: RepoKind, repo: RepoId, revision: str) -> str:
        return f"{self.page_url(kind, repo)}/commit/{revision}"


def _api(kind: RepoKind, repo: RepoId) -> str:
    return f"/api/{kind.plural}/{repo}"


def _space(space: RepoId) -> str:
    return _api(RepoKind.SPACE, space)


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]] | None:
    return [{"key": name, "value": value} for name, value in values.items()] or None


def _addition(file: LocalFile) -> CommitOperationAdd:
    from huggingface_hub import CommitOperationAdd

    content = file.content if file.content is not None else file.source
    if content is None:
        raise ValueError(f"`{file.path}` has neither content nor source")
    return CommitOperationAdd(file.path, content)


def _was_there(addition: Any) -> bool:
    """Whether the Hub said, before anything was sent, that it has the same file."""
    remote = getattr(addition, "_remote_oid", None)
    return remote is not None and remote == getattr(addition, "_local_oid", None)
