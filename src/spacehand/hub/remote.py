"""A Hub over HTTP, through the official client; the only importer of huggingface_hub."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from spacehand import __version__
from spacehand.errors import (
    AuthError,
    ConflictError,
    FrontMatterError,
    HubUnreachableError,
    NotFoundError,
    SpacehandError,
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
from spacehand.hub.flavors import parse_flavor
from spacehand.hub.refusal import broken_upload, curable, one_line, refusal, said, unreachable
from spacehand.hub.retry import CurableError, retried
from spacehand.hub.rights import parse_rights
from spacehand.hub.sse import event_data, is_after, log_line, replay_end
from spacehand.ids import RepoId, RepoKind, Visibility

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

_TIMEOUT = 60.0  # seconds; the official client's own session has none at all
_LOG_SILENCE = 2.0  # seconds without a line: what was buffered has been sent
_RECONNECTS = 5


class RemoteHub:
    """
    The Hub at *endpoint*, spoken to with *token*.

    The address is given with every call because the official client reads HF_ENDPOINT once, at import;
    without a *token* it is told to send none, else it would send a stored login to any address.
    """

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
        self._endpoint = endpoint.rstrip("/")
        self._token = token
        self._now = now
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"RemoteHub({self._endpoint!r})"

    @property
    def endpoint(self) -> str:
        return self._endpoint

    @property
    def identity(self) -> str:
        return self._identity or self._endpoint

    def app_headers(self) -> dict[str, str]:
        """Return what a request to a private Space's own address must carry."""
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def sign_in_link(self, page: str) -> str:
        """Return a link to *page* of the local Hub that signs a browser in, once; other Hubs have none."""
        path = page.removeprefix(self._endpoint) or "/"
        return str(self._json("POST", "/api/spacehand/sign-in-link", json={"next": path})["url"])

    def new_read_token(self, name: str) -> str:
        """Return a new token of the local Hub that may read and nothing else; other Hubs give none."""
        return str(self._json("POST", "/api/spacehand/tokens", json={"name": name, "role": "read"})["token"])

    # Accounts and repositories

    def whoami(self) -> Account:
        body = self._json("GET", "/api/whoami-v2")
        role = (body.get("auth") or {}).get("accessToken", {}).get("role", "read")
        return Account(
            name=body["name"],
            full_name=body.get("fullname") or body["name"],
            # A fine-grained token tells its rights only per repository: let the Hub decide.
            can_write=role != "read",
            is_pro=bool(body.get("isPro")),
        )

    def rights(self, token: str) -> TokenRights | None:
        other = RemoteHub(self._endpoint, token, now=self._now, sleep=self._sleep)
        try:
            return parse_rights(other._json("GET", "/api/whoami-v2", hidden=(token,)))
        except AuthError:
            return None

    def head(self, kind: RepoKind, repo: RepoId) -> str | None:
        try:
            sha: str | None = self._json(
                "GET", f"{_api(kind, repo)}/revision/main", params={"expand": "sha"}
            )["sha"]
        except NotFoundError:
            return None
        return sha

    def create_model(self, repo: RepoId, visibility: Visibility) -> str:
        # Not `exist_ok`: on a 401 the client then builds a URL that it cannot parse itself.
        with contextlib.suppress(ConflictError), self._speaking(f"{repo}"):
            self._api.create_repo(str(repo), repo_type="model", visibility=visibility.value)
        return self.page_url(RepoKind.MODEL, repo)

    def create_space(self, repo: RepoId, settings: SpaceSettings) -> str:
        from huggingface_hub import Volume

        with self._speaking(f"{repo}", hidden=tuple(settings.secrets.values())):
            self._api.create_repo(
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

        with self._speaking(f"{repo}"):
            tree = self._api.list_repo_tree(
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
            content: bytes = self._request("GET", address).content
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
        return _events.parse_runtime(self._json("GET", f"{_space(space)}/runtime"))

    def variables(self, space: RepoId) -> dict[str, str]:
        body = self._json("GET", f"{_space(space)}/variables")
        return {name: str(item.get("value", "")) for name, item in body.items()}

    def secret_names(self, space: RepoId) -> dict[str, str]:
        body = self._json("GET", f"{_space(space)}/secrets")
        return {name: str(item.get("updatedAt") or "") for name, item in body.items()}

    def set_variable(self, space: RepoId, name: str, value: str) -> None:
        self._json("POST", f"{_space(space)}/variables", json={"key": name, "value": value})

    def delete_variable(self, space: RepoId, name: str) -> None:
        self._json("DELETE", f"{_space(space)}/variables", json={"key": name})

    def set_secret(self, space: RepoId, name: str, value: str) -> None:
        self._json("POST", f"{_space(space)}/secrets", json={"key": name, "value": value}, hidden=(value,))

    def delete_secret(self, space: RepoId, name: str) -> None:
        self._json("DELETE", f"{_space(space)}/secrets", json={"key": name})

    def set_volumes(self, space: RepoId, volumes: Sequence[Mapping[str, Any]]) -> None:
        if volumes:
            self._json(
                "PUT", f"{_space(space)}/volumes", json={"volumes": [dict(volume) for volume in volumes]}
            )
        else:
            self._json("DELETE", f"{_space(space)}/volumes")

    def set_hardware(self, space: RepoId, flavor: str, sleep_seconds: int | None) -> None:
        body: dict[str, Any] = {"flavor": flavor}
        if sleep_seconds is not None:
            body["sleepTimeSeconds"] = sleep_seconds
        self._json("POST", f"{_space(space)}/hardware", json=body)

    def set_sleep(self, space: RepoId, seconds: int) -> None:
        self._json("POST", f"{_space(space)}/sleeptime", json={"seconds": seconds})

    def set_replicas(self, space: RepoId, replicas: int) -> None:
        self._json("POST", f"{_space(space)}/replicas", json={"replicas": replicas})

    def pause(self, space: RepoId) -> None:
        self._json("POST", f"{_space(space)}/pause")

    def restart(self, space: RepoId, *, factory: bool = False) -> None:
        self._json("POST", f"{_space(space)}/restart", params={"factory": "true"} if factory else None)

    def logs(self, space: RepoId, kind: str, *, follow: bool = False) -> Iterator[LogLine]:
        address = f"{_space(space)}/logs/{kind}"
        yielded = 0
        for attempt in range(_RECONNECTS if follow else 1):
            if attempt:
                self._sleep(float(attempt))
            try:
                # The Hub replays the whole buffer on each connection, in the same order.
                for index, line in enumerate(self._log(address, follow=follow)):
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
            lambda silence: self._space_events(space, silence),
            timeout=timeout,
            now=self._now,
            sleep=self._sleep,
        )

    def flavors(self) -> list[Flavor]:
        rows: Any = self._json("GET", "/api/spaces/hardware")
        return [parse_flavor(row) for row in rows]

    def page_url(self, kind: RepoKind, repo: RepoId) -> str:
        return f"{self._endpoint}/{kind.web_prefix}{repo}"

    def app_url(self, space: RepoId) -> str:
        host = self._json("GET", _space(space)).get("host")
        return str(host).rstrip("/") if host else f"https://{space.subdomain}.hf.space"

    # How it is said over HTTP

    @cached_property
    def _api(self) -> HfApi:
        from huggingface_hub import HfApi

        if not _client().are_progress_bars_disabled():
            _client().disable_progress_bars()
        # "No files have been modified" and its like are results here, told by whoever asked.
        if "HF_HUB_VERBOSITY" not in os.environ:
            _client().logging.set_verbosity_error()
        if self._endpoint.startswith(("http://127.", "http://localhost", "http://[::1]")):
            # On one machine a refusal is no hiccup of a network: hf_xet would try for two minutes.
            os.environ.setdefault("HF_XET_CLIENT_RETRY_MAX_ATTEMPTS", "2")
        return HfApi(
            endpoint=self._endpoint,
            token=self._token or False,
            library_name="spacehand",
            library_version=__version__,
        )

    def _create_commit(
        self, kind: RepoKind, repo: RepoId, operations: list[Any], message: str, parent: str | None
    ) -> str:
        with self._speaking(f"{repo}"), warnings.catch_warnings():
            # The client warns of .parquet in a model repository and the like: decided already.
            warnings.simplefilter("ignore")
            try:
                made = self._api.create_commit(
                    str(repo), operations, commit_message=message, repo_type=kind.value, parent_commit=parent
                )
            except ValueError as error:
                if "metadata" in str(error).lower():
                    raise FrontMatterError(one_line(str(error)), where=f"{repo}/README.md") from error
                raise
        return str(made.oid)

    def _commit_url(self, kind: RepoKind, repo: RepoId, revision: str) -> str:
        return f"{self.page_url(kind, repo)}/commit/{revision}"

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        response = self._request(method, path, **options)
        body: dict[str, Any] = response.json() if response.content else {}
        return body

    def _request(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        hidden: Sequence[str] = (),
    ) -> Any:
        """Ask once and again; every call made here may safely be made twice."""

        def ask() -> Any:

            try:
                response = (
                    _client()
                    .get_session()
                    .request(
                        method,
                        self._endpoint + path,
                        headers=self._headers(),
                        json=json,
                        params=params,
                        timeout=_TIMEOUT,
                    )
                )
            except _client().httpx.TransportError as error:
                raise self._broken(error) from error
            if response.status_code >= 400:
                raise self._explained(response, path, hidden)
            return response

        return retried(ask, sleep=self._sleep)

    def _space_events(self, space: RepoId, silence: float) -> Iterator[str]:
        """Yield the data of each event until the Hub is silent for *silence* seconds or hangs up."""

        with self._stream(f"{_space(space)}/events", silence) as response:
            if response.status_code != 200:
                raise _events.NoStreamError
            try:
                yield from event_data(response.iter_lines())
            except _client().httpx.ReadTimeout:
                return

    def _log(self, address: str, *, follow: bool) -> Iterator[LogLine]:

        with self._stream(address, _TIMEOUT * 2 if follow else _LOG_SILENCE) as response:
            if response.status_code >= 400:
                response.read()
                failure = self._explained(response, address, ())
                raise failure.final if isinstance(failure, CurableError) else failure
            end = None if follow else replay_end(response.headers.get("date"))
            try:
                for data in event_data(response.iter_lines()):
                    line = log_line(data)
                    if line is None:
                        continue
                    if end is not None and is_after(line.at, end):
                        return
                    yield line
            except _client().httpx.ReadTimeout:
                return  # silence: what was buffered has been sent

    @contextmanager
    def _stream(self, path: str, silence: float) -> Iterator[Any]:

        headers = self._headers() | {"Accept": "text/event-stream"}
        timeout = _client().httpx.Timeout(_TIMEOUT, read=max(0.1, silence))
        try:
            with (
                _client()
                .get_session()
                .stream("GET", self._endpoint + path, headers=headers, timeout=timeout) as response
            ):
                yield response
        except _client().httpx.TransportError as error:
            raise unreachable(self._endpoint, one_line(str(error))) from error

    def _headers(self) -> dict[str, str]:
        token = self._token or False
        headers = _client().build_hf_headers(
            token=token, library_name="spacehand", library_version=__version__
        )
        return dict(headers)

    @contextmanager
    def _speaking(self, where: str, hidden: Sequence[str] = ()) -> Iterator[None]:
        """Turn what the official client raises into errors of ours; *hidden* texts are cut out."""
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

        try:
            yield
        except HfHubHTTPError as error:
            failure = self._explained(error.response, where, hidden)
            raise (failure.final if isinstance(failure, CurableError) else failure) from None
        except OfflineModeIsEnabled as error:
            raise HubUnreachableError("HF_HUB_OFFLINE is set", where=where, hint="Unset it") from error
        except _client().httpx.TransportError as error:
            raise unreachable(self._endpoint, one_line(str(error))) from error
        except (RuntimeError, ConnectionError, TimeoutError) as error:  # hf_xet knows no narrower ones
            raise broken_upload(error, where, self._endpoint) from error

    def _broken(self, error: Exception) -> Exception:

        failure = unreachable(self._endpoint, one_line(str(error)) or type(error).__name__)
        # Nobody listens: no pause cures that. A connection that broke is another matter.
        return failure if isinstance(error, _client().httpx.ConnectError) else CurableError(failure)

    def _explained(self, response: Any, where: str, hidden: Sequence[str]) -> SpacehandError | CurableError:
        message = said(response)
        for value in hidden:
            message = message.replace(value, "…") if value else message
        error = refusal(
            response.status_code,
            message,
            headers=response.headers,
            where=_place(where),
            endpoint=self._endpoint,
        )
        return curable(error, response.status_code, response.headers)


def _client() -> Any:
    """The official client's own HTTP: its session, its headers, and its httpx, which is httpx2 today."""
    import huggingface_hub.utils

    return huggingface_hub.utils


def login_token() -> str | None:
    """
    Return the token for huggingface.co: HF_TOKEN, a CI's identity (OIDC), or ``hf auth login``.

    Raises:
        AuthError: HF_OIDC_RESOURCE asks for an identity that cannot be had.
    """
    from huggingface_hub import get_token
    from huggingface_hub.errors import OIDCError

    try:
        return get_token()
    except OIDCError as error:
        raise AuthError(f"No token by OIDC: {error}", where="HF_OIDC_RESOURCE") from error


def _api(kind: RepoKind, repo: RepoId) -> str:
    return f"/api/{kind.plural}/{repo}"


def _space(space: RepoId) -> str:
    return _api(RepoKind.SPACE, space)


def _place(where: str) -> str:
    return where.removeprefix("/api/")


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
