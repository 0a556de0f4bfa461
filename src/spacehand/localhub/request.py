"""What handlers ask of a request: who calls, which repository, what the body says."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, unquote

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import HTTPConnection, Request

from spacehand.errors import UsageError
from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.localhub import wire_json
from spacehand.localhub.accounts.store import ANONYMOUS, SESSION_COOKIE, Caller
from spacehand.localhub.errors import HubError, forbidden, invalid_token, login_needed, repo_not_found
from spacehand.localhub.repos.store import Moved, Repo

if TYPE_CHECKING:
    from spacehand.localhub.hub import LocalHub

_MAX_JSON = 32 * 1024 * 1024  # bytes; large things are streamed elsewhere


class PluralConvertor(Convertor[RepoKind]):
    """``{kind:plural}`` in a route: models, datasets or spaces, handed on as a `RepoKind`."""

    regex = "models|datasets|spaces"

    def convert(self, value: str) -> RepoKind:
        return RepoKind(value.removesuffix("s"))

    def to_string(self, value: RepoKind) -> str:
        return value.plural


register_url_convertor("plural", PluralConvertor())


class Owned(Protocol):
    """What somebody owns and others may see, or not: a repository, a bucket."""

    @property
    def id(self) -> RepoId: ...

    @property
    def visibility(self) -> Visibility: ...


def local_hub(request: HTTPConnection) -> LocalHub:
    """Return the Hub that answers *request*."""
    hub: LocalHub = request.app.state.hub
    return hub


def endpoint(request: HTTPConnection) -> str:
    """
    Return the Hub's address as the caller wrote it, without a trailing slash.

    The official client refuses URLs that do not begin with its own HF_ENDPOINT, be it 127.0.0.1 or localhost.
    """
    scheme = {"ws": "http", "wss": "https"}.get(request.scope["scheme"], request.scope["scheme"])
    host = request.headers.get("host")
    return f"{scheme}://{host}" if host else local_hub(request).endpoint


def part(request: HTTPConnection, name: str) -> str:
    """Return a part of the path, decoded; routes match the raw path, so that a revision may hold ``%2F``."""
    return unquote(request.path_params[name])


def caller(request: HTTPConnection) -> Caller:
    """
    Return who calls: by ``Bearer`` or ``Basic`` token, or, where something is only read, by the session.

    Raises:
        HubError: 401, the token is unknown.
    """
    known: Caller | None = request.scope.get("spacehand.caller")
    if known is None:
        known = request.scope["spacehand.caller"] = _identify(request)
    return known


def signed_in(request: HTTPConnection) -> Caller:
    """
    Return who calls, if it is not anonymous.

    Raises:
        HubError: 401.
    """
    known = caller(request)
    if known.name is None:
        raise login_needed()
    return known


def readable_repo(request: HTTPConnection, kind: RepoKind | None = None) -> Repo:
    """
    Return the repository named by ``{owner}/{name}`` in the path; *kind* defaults to ``{kind:plural}`` there.

    Raises:
        HubError: 404 or 401 when there is none that the caller may see; 307 when it was moved.
    """
    kind = request.path_params["kind"] if kind is None else kind
    try:
        return visible_repo(request, kind, part(request, "owner"), part(request, "name").removesuffix(".git"))
    except Moved as moved:
        raise redirect(request, moved.repo) from None


def visible_repo(request: HTTPConnection, kind: RepoKind, owner: str, name: str) -> Repo:
    """
    Return the repository ``owner/name``, named elsewhere than in the path, if the caller may see it.

    Raises:
        HubError: 404 or 401.
        Moved: it has another name now.
    """
    known = caller(request)
    try:
        repo = local_hub(request).repos.find(kind, owner, name)
    except Moved as moved:
        if may_read(known, moved.repo):
            raise
        raise unseen(known) from None
    except HubError:
        raise unseen(known) from None
    if not may_read(known, repo):
        raise unseen(known)
    return repo


def downloadable_repo(request: HTTPConnection, kind: RepoKind | None = None) -> Repo:
    """
    Return the repository, if the caller may also download its files.

    Raises:
        HubError: as `readable_repo`; 401 or 403 when it is gated.
    """
    repo = readable_repo(request, kind)
    known = caller(request)
    if repo.gated and not known.can_read_repo(repo.id):
        message = (
            f"Access to {repo.kind} {repo.id} is restricted and you are not in the authorized list. "
            f"Visit {endpoint(request)}/{repo.kind.web_prefix}{repo.id} to ask for access."
        )
        raise HubError(401 if known.name is None else 403, message, code="GatedRepo")
    return repo


def writable_repo(request: HTTPConnection, kind: RepoKind | None = None) -> Repo:
    """
    Return the repository, if the caller may change it.

    Raises:
        HubError: as `readable_repo`; 401 or 403 when the caller may only look.
    """
    repo = readable_repo(request, kind)
    require_write(caller(request), repo)
    return repo


def require_write(known: Caller, owned: Owned) -> None:
    """
    Let *known* pass if it may change *owned*.

    Raises:
        HubError: 401 anonymous, 403 without the right.
    """
    if known.can_write_repo(owned.id):
        return
    if known.name is None:
        raise login_needed()
    raise forbidden("You don't have the required permissions to perform this action")


def require_namespace(known: Caller, what: str, owner: str) -> None:
    """
    Let *known* pass if it may make *what* (``model``, ``bucket``, …) under the name of *owner*.

    Raises:
        HubError: 403.
    """
    if not known.can_write(owner):
        raise forbidden(f'You don\'t have the rights to create a {what} under the namespace "{owner}"')


def require_owner(known: Caller, owned: Owned) -> None:
    """
    Let *known* pass if it may move and delete *owned*.

    Raises:
        HubError: 401 anonymous, 403 without the right.
    """
    require_write(known, owned)
    if not known.can_write(owned.id.owner):
        raise forbidden("A token for single repositories may neither move nor delete them")


def may_read(known: Caller, owned: Owned) -> bool:
    """Whether *known* may see *owned*; of a protected Space strangers see only the running app."""
    return owned.visibility is Visibility.PUBLIC or known.can_read_repo(owned.id)


async def json_body(request: Request) -> dict[str, Any]:
    """
    Return the JSON object in the body; an empty body is an empty object.

    Raises:
        HubError: 400, not JSON, or no object; 413, too large.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_JSON:
            raise HubError(413, "The request's body is too large")
    try:
        value = wire_json.parse(body or b"{}")
    except ValueError:
        raise HubError(400, "The request's body is not JSON") from None
    if not isinstance(value, dict):
        raise HubError(400, "The request's body is not a JSON object")
    return value


def text_field(body: dict[str, Any], name: str, default: str | None = None) -> str:
    """
    Return the text *name* of a JSON body.

    Raises:
        HubError: 400, it is absent without a *default*, or is no text.
    """
    value = body.get(name)
    value = default if value is None else value
    if not isinstance(value, str):
        raise HubError(400, f"`{name}` must be a text")
    return value


def parse_id(text: str) -> RepoId:
    """
    Return the id that *text* in a request's body names.

    Raises:
        HubError: 400.
    """
    try:
        return RepoId.parse(text)
    except UsageError as error:
        raise HubError(400, f"{error.message}. {error.hint}") from None


def _identify(request: HTTPConnection) -> Caller:
    accounts = local_hub(request).accounts
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return accounts.caller(value.strip())
    if scheme.lower() == "basic":
        return accounts.caller(_password(value))
    if scheme:
        raise invalid_token()
    cookie = request.cookies.get(SESSION_COOKIE)
    # Another site may make a browser send a request with the cookie: with it, things are only read.
    if cookie and request.scope.get("method", "GET") in ("GET", "HEAD"):
        return accounts.session(cookie)
    return ANONYMOUS


def _password(value: str) -> str:
    try:
        _user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise invalid_token() from None
    return password


def unseen(known: Caller) -> HubError:
    """There is no such repository, or *known* may not see it; which of the two is not told."""
    if known.name is None:
        error = login_needed()
        error.code = "RepoNotFound"
        return error
    return repo_not_found()


def redirect(request: HTTPConnection, owned: Owned) -> HubError:
    """The same request under the present name of *owned*; a relative address suits every client."""
    old = f"/{request.path_params['owner']}/{request.path_params['name']}"
    suffix = ".git" if old.endswith(".git") else ""
    path = request.scope["path"].replace(old, f"/{quote(owned.id.owner)}/{quote(owned.id.name)}{suffix}", 1)
    query = request.scope["query_string"].decode("latin-1")
    location = f"{path}?{query}" if query else path
    return HubError(307, f"Moved to {owned.id}", headers={"Location": location})
