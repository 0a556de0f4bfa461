"""Branches and tags over HTTP."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spacehand.localhub.commits.store import empty_branch
from spacehand.localhub.refs import store, wire
from spacehand.localhub.request import (
    json_body,
    local_hub,
    part,
    readable_repo,
    signed_in,
    text_field,
    writable_repo,
)


async def list_refs(request: Request) -> Response:
    """All branches and tags."""
    repo = readable_repo(request)

    def answer() -> dict[str, object]:
        git = local_hub(request).repos.git(repo)
        with_pull_requests = request.query_params.get("include_prs", "") not in ("", "0", "false")
        return wire.refs(store.branches(git), store.tags(git), with_pull_requests=with_pull_requests)

    return JSONResponse(await asyncio.to_thread(answer))


async def create_branch(request: Request) -> Response:
    """Make a branch, at a commit or empty."""
    repo = writable_repo(request)
    body = await json_body(request)
    name = part(request, "branch")
    hub, author = local_hub(request), signed_in(request).name or ""

    def create() -> None:
        if body.get("emptyBranch"):
            sha = empty_branch(hub, repo, name, author)
        else:
            start = text_field(body, "startingPoint", "main")
            with hub.repos.writing(repo):
                git = hub.repos.git(repo)
                sha = store.create_branch(git, name, start, overwrite=bool(body.get("overwrite")))
        hub.announce(repo, name, sha)

    await asyncio.to_thread(create)
    return JSONResponse({})


async def delete_branch(request: Request) -> Response:
    """Remove a branch."""
    repo = writable_repo(request)
    hub = local_hub(request)

    def delete() -> None:
        with hub.repos.writing(repo):
            store.delete_branch(hub.repos.git(repo), part(request, "branch"))

    await asyncio.to_thread(delete)
    return JSONResponse({})


async def create_tag(request: Request) -> Response:
    """Tag a revision."""
    repo = writable_repo(request)
    body = await json_body(request)
    name, message = text_field(body, "tag"), text_field(body, "message", "")
    hub, author = local_hub(request), signed_in(request).name or ""

    def create() -> None:
        with hub.repos.writing(repo):
            git = hub.repos.git(repo)
            store.create_tag(git, name, part(request, "rev"), message=message, author=author)

    await asyncio.to_thread(create)
    return JSONResponse({})


async def delete_tag(request: Request) -> Response:
    """Remove a tag."""
    repo = writable_repo(request)
    hub = local_hub(request)

    def delete() -> None:
        with hub.repos.writing(repo):
            store.delete_tag(hub.repos.git(repo), part(request, "rev"))

    await asyncio.to_thread(delete)
    return JSONResponse({})


_REPO = "/api/{kind:plural}/{owner}/{name}"
routes = [
    Route(_REPO + "/refs", list_refs),
    Route(_REPO + "/branch/{branch}", create_branch, methods=["POST"]),
    Route(_REPO + "/branch/{branch}", delete_branch, methods=["DELETE"]),
    Route(_REPO + "/tag/{rev}", create_tag, methods=["POST"]),
    Route(_REPO + "/tag/{rev}", delete_tag, methods=["DELETE"]),
]
