"""Repositories over HTTP: made, described, listed, changed, moved, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from sqlite3 import Connection
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.localhub.accounts import wire as accounts_wire
from spacehand.localhub.buckets.routes import move_bucket
from spacehand.localhub.errors import HubError
from spacehand.localhub.paging import paged
from spacehand.localhub.repos import wire
from spacehand.localhub.repos.query import Query
from spacehand.localhub.repos.store import AlreadyExistsError, BeforeCommit, Moved, Repo
from spacehand.localhub.request import (
    caller,
    downloadable_repo,
    endpoint,
    json_body,
    local_hub,
    may_read,
    parse_id,
    part,
    readable_repo,
    require_namespace,
    require_owner,
    signed_in,
    text_field,
    visible_repo,
    writable_repo,
)

SDKS = ("gradio", "docker", "static", "streamlit")


async def create(request: Request) -> Response:
    """Make a repository, and a Space with all its settings: ``{"type", "name", "organization"?, …}``."""
    known = signed_in(request)
    body = await json_body(request)
    kind = _kind(body)
    repo_id = _repo_id(text_field(body, "organization", known.name), text_field(body, "name"))
    require_namespace(known, kind, repo_id.owner)
    visibility = _visibility(body, kind) or Visibility.PUBLIC
    sdk = _sdk(body) if kind is RepoKind.SPACE else None
    if sdk not in (None, "static"):
        local_hub(request).faults.refuse_payment(str(repo_id))
    make = partial(
        local_hub(request).repos.create,
        kind,
        repo_id,
        visibility,
        sdk,
        _belongings(request, kind, body),
        author=known.name,
    )
    repo = await _made(request, make)
    return JSONResponse({"url": _url(request, repo), "name": str(repo.id), "id": repo.uid[:24]})


async def duplicate(request: Request) -> Response:
    """Copy a repository with its history: ``{"repository": "owner/name", "visibility"?, …}``."""
    known = signed_in(request)
    original = downloadable_repo(request)
    body = await json_body(request)
    repo_id = parse_id(text_field(body, "repository"))
    require_namespace(known, original.kind, repo_id.owner)
    visibility = _visibility(body, original.kind) or original.visibility
    make = partial(
        local_hub(request).repos.create,
        original.kind,
        repo_id,
        visibility,
        None,
        _belongings(request, original.kind, body, original),
        author=known.name,
        copy_of=original,
    )
    repo = await _made(request, make)
    return JSONResponse({"url": _url(request, repo), "filesCopyPending": False})


async def delete(request: Request) -> Response:
    """Delete a repository, and stop its Space: ``{"type", "name", "organization"?}``."""
    known = signed_in(request)
    body = await json_body(request)
    repo = _named(
        request, _kind(body), text_field(body, "organization", known.name), text_field(body, "name")
    )
    require_owner(known, repo)
    hub = local_hub(request)

    def forget(connection: Connection, repo: Repo) -> None:
        hub.objects.forget(connection, repo.uid)
        hub.spaces.forget(connection, repo)

    await run_in_threadpool(hub.repos.delete, repo, forget)
    if repo.kind is RepoKind.SPACE:
        await hub.runner.delete(repo)
    return JSONResponse({})


async def move(request: Request) -> Response:
    """Give a repository another name; the old one redirects: ``{"fromRepo", "toRepo", "type"}``."""
    known = signed_in(request)
    body = await json_body(request)
    if body.get("type") == "bucket":
        return await move_bucket(request, body)
    source = parse_id(text_field(body, "fromRepo"))
    repo = _named(request, _kind(body), source.owner, source.name)
    require_owner(known, repo)
    target = parse_id(text_field(body, "toRepo"))
    require_namespace(known, repo.kind, target.owner)
    hub = local_hub(request)
    moved = await run_in_threadpool(hub.repos.move, repo, target)
    if repo.kind is RepoKind.SPACE:
        hub.spaces.renamed(repo, moved)
        hub.runner.renamed(repo, moved)
    return JSONResponse({"url": _url(request, moved)})


async def settings(request: Request) -> Response:
    """Set who may see a repository and who may download from it: ``{"visibility"?, "gated"?}``."""
    repo = writable_repo(request)
    body = await json_body(request)
    visibility = _visibility(body, repo.kind) or repo.visibility
    gated = body.get("gated", repo.gated) or None
    if gated not in (None, "auto", "manual"):
        raise HubError(400, "`gated` must be auto, manual or false")
    changed = await run_in_threadpool(
        local_hub(request).repos.change, repo, visibility=visibility, gated=gated
    )
    return JSONResponse(
        {
            "private": changed.private,
            "visibility": changed.visibility.value,
            "gated": changed.gated or False,
        }
    )


def info(request: Request) -> Response:
    """One repository, at ``main`` or another revision; ``expand=`` names the keys wanted."""
    repo = readable_repo(request)
    revision = part(request, "rev") if "rev" in request.path_params else "main"
    hub = local_hub(request)
    detail = wire.Detail(expand=expanded(request), blobs=flag(request, "blobs"))
    return JSONResponse(wire.info(hub, repo, hub.repos.snapshot(repo, revision), detail))


def listing(request: Request) -> Response:
    """All repositories of a kind that the caller may see, filtered and sorted, a page at a time."""
    hub, known = local_hub(request), caller(request)
    kind: RepoKind = request.path_params["kind"]
    query = Query.parse(request.query_params)
    visible = (
        repo
        for repo in hub.repos.list(kind, owner=query.author, search=query.search)
        if may_read(known, repo)
    )
    found = query.select(hub, visible)
    detail = wire.Detail(
        expand=expanded(request), listed=True, full=flag(request, "full"), card=flag(request, "cardData")
    )
    return paged(request, found, lambda described: described.to_json(detail))


def auth_check(request: Request) -> Response:
    """Whether the caller may download."""
    downloadable_repo(request)
    return JSONResponse({})


def auth_check_write(request: Request) -> Response:
    """Whether the caller may write."""
    writable_repo(request)
    return JSONResponse({})


def like(request: Request) -> Response:
    """Like a repository."""
    repo, known = readable_repo(request), signed_in(request)
    local_hub(request).repos.like(repo, str(known.name))
    return JSONResponse({})


def unlike(request: Request) -> Response:
    """Take a like back."""
    repo, known = readable_repo(request), signed_in(request)
    local_hub(request).repos.unlike(repo, str(known.name))
    return JSONResponse({})


def likers(request: Request) -> Response:
    """Who likes a repository."""
    hub = local_hub(request)
    given = hub.repos.likes(readable_repo(request))
    return paged(request, given, lambda each: accounts_wire.user(hub.accounts.account(each.user)))


def user_likes(request: Request) -> Response:
    """What a user likes."""
    hub, known = local_hub(request), caller(request)
    user = hub.accounts.account(part(request, "account"))
    return paged(request, [x for x in hub.repos.liked_by(user.name) if may_read(known, x.repo)], wire.like)


def stored(request: Request) -> Response:
    """The repositories of a namespace and the bytes each holds at ``main``; its buckets and theirs."""
    known, hub = signed_in(request), local_hub(request)
    owner = part(request, "account") if "account" in request.path_params else str(known.name)
    rows = [
        wire.Storage(repo.kind, repo.id, repo.visibility, _size(request, repo), repo.created, repo.modified)
        for repo in hub.repos.list(owner=owner)
        if known.can_read_repo(repo.id)
    ]
    for bucket in hub.buckets.list(owner=owner):
        if known.can_read_repo(bucket.id):
            used = hub.buckets.usage(bucket)
            row = ("bucket", bucket.id, bucket.visibility, used.size, bucket.created, used.changed)
            rows.append(wire.Storage(*row))
    total = sum(row.size for row in rows)
    return paged(request, rows, lambda row: wire.stored(row, total))


def expanded(request: Request) -> list[str]:
    """Return the keys that ``expand=`` or ``expand[]=`` names."""
    return request.query_params.getlist("expand") + request.query_params.getlist("expand[]")


def flag(request: Request, name: str) -> bool:
    """Whether the query says ``name``, ``name=true`` or ``name=1``."""
    return request.query_params.get(name, "false").lower() in ("", "true", "1")


async def _made(request: Request, make: partial[Repo]) -> Repo:
    try:
        repo = await run_in_threadpool(make)
    except AlreadyExistsError as error:
        message = f"You already created this {error.repo.kind} repo: {error.repo.id}"
        raise HubError(409, message, body={"url": _url(request, error.repo)}) from None
    hub = local_hub(request)
    head = await run_in_threadpool(lambda: hub.repos.snapshot(repo).sha)
    hub.announce(repo, "main", head)
    return repo


def _belongings(
    request: Request, kind: RepoKind, body: Mapping[str, Any], original: Repo | None = None
) -> BeforeCommit:
    """What is written together with a new repository: a Space's settings, a copy's right to large files."""
    hub = local_hub(request)

    def write(connection: Connection, repo: Repo) -> None:
        if original is not None:
            hub.objects.hold_all_of(connection, repo.uid, original.uid)
        if kind is RepoKind.SPACE and original is not None:
            hub.spaces.configure_copy(connection, repo, original, body)
        elif kind is RepoKind.SPACE:
            hub.spaces.configure_new(connection, repo, body)

    return write


def _named(request: Request, kind: RepoKind, owner: str, name: str) -> Repo:
    try:
        return visible_repo(request, kind, owner, name)
    except Moved as moved:
        return moved.repo


def _repo_id(owner: str, name: str) -> RepoId:
    return parse_id(name if "/" in name else f"{owner}/{name}")


def _kind(body: Mapping[str, Any]) -> RepoKind:
    try:
        return RepoKind(body.get("type") or "model")
    except ValueError:
        raise HubError(400, f"`type` must be one of {', '.join(RepoKind)}") from None


def _visibility(body: Mapping[str, Any], kind: RepoKind) -> Visibility | None:
    wanted = body.get("visibility")
    if wanted is None and isinstance(body.get("private"), bool):  # as clients said it before 2026
        wanted = "private" if body["private"] else "public"
    if wanted is None:
        return None
    if wanted not in tuple(Visibility) or (wanted == Visibility.PROTECTED and kind is not RepoKind.SPACE):
        raise HubError(400, "`visibility` must be public or private, or, for a Space, protected")
    return Visibility(wanted)


def _sdk(body: Mapping[str, Any]) -> str:
    sdk = body.get("sdk")
    if sdk not in SDKS:
        raise HubError(400, f"A Space needs an `sdk`: {', '.join(SDKS)}")
    return str(sdk)


def _url(request: Request, repo: Repo) -> str:
    return f"{endpoint(request)}/{repo.kind.web_prefix}{repo.id}"


def _size(request: Request, repo: Repo) -> int:
    entries = local_hub(request).repos.snapshot(repo).entries(recursive=True)
    return sum(entry.size for entry in entries)


_REPO = "/api/{kind:plural}/{owner}/{name}"

routes = [
    Route("/api/repos/create", create, methods=["POST"]),
    Route("/api/repos/delete", delete, methods=["DELETE"]),
    Route("/api/repos/move", move, methods=["POST"]),
    Route("/api/settings/repositories", stored),
    Route("/api/organizations/{account}/settings/repositories", stored),
    Route("/api/users/{account}/likes", user_likes),
    Route("/api/{kind:plural}", listing),
    Route(_REPO, info),
    Route(f"{_REPO}/revision/{{rev:path}}", info),
    Route(f"{_REPO}/settings", settings, methods=["PUT"]),
    Route(f"{_REPO}/duplicate", duplicate, methods=["POST"]),
    Route(f"{_REPO}/auth-check", auth_check),
    Route(f"{_REPO}/auth-check/write", auth_check_write),
    Route(f"{_REPO}/like", like, methods=["POST"]),
    Route(f"{_REPO}/like", unlike, methods=["DELETE"]),
    Route(f"{_REPO}/likers", likers),
]
