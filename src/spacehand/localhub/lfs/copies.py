"""Let another repository use large files that this one has: what a copy between repositories begins with."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spacehand.errors import UsageError
from spacehand.ids import RepoId, RepoKind
from spacehand.localhub.errors import HubError
from spacehand.localhub.repos.store import Moved, Repo
from spacehand.localhub.request import (
    caller,
    downloadable_repo,
    json_body,
    local_hub,
    require_write,
    text_field,
    visible_repo,
)
from spacehand.localhub.store.incoming import in_thread


async def share(request: Request) -> Response:
    """Give large files to another repository: ``{"target": {"type", "name"}, "files": [{"sha256"}]}``."""
    source = downloadable_repo(request)
    body = await json_body(request)
    target, wanted = _target(request, body.get("target")), _hashes(body.get("files"))
    return JSONResponse({"failed": await in_thread(_share, request, source, target, wanted)})


def _share(request: Request, source: Repo, target: Repo, wanted: list[str]) -> list[dict[str, str]]:
    """Return those files that *source* does not have; *target* may use the others from now on."""
    hub = local_hub(request)
    held = {sha256 for sha256 in wanted if hub.objects.holds(source.uid, sha256)}
    with hub.database.write() as connection:
        hub.objects.hold(connection, target.uid, *held)
    missing = (sha256 for sha256 in wanted if sha256 not in held)
    return [{"sha256": sha256, "error": f"{source.id} has no such file"} for sha256 in missing]


def _target(request: Request, value: object) -> Repo:
    """
    Return the repository that is given the files.

    Raises:
        HubError: 400, no name of a repository; 404, 401 or 403, none that the caller may write to.
    """
    described: dict[str, Any] = value if isinstance(value, dict) else {}
    try:
        kind = RepoKind(text_field(described, "type"))
        wanted = RepoId.parse(text_field(described, "name"))
    except (ValueError, UsageError):
        raise HubError(400, "`target` must name a repository") from None
    try:
        repo = visible_repo(request, kind, wanted.owner, wanted.name)
    except Moved as moved:
        repo = moved.repo
    require_write(caller(request), repo)
    return repo


def _hashes(value: object) -> list[str]:
    rows = value if isinstance(value, list) else [None]
    found = [row.get("sha256") if isinstance(row, dict) else None for row in rows]
    if not all(isinstance(sha256, str) for sha256 in found):
        raise HubError(400, "`files` must be a list of objects with a `sha256`")
    return [str(sha256) for sha256 in found]


routes = [
    Route("/api/{kind:plural}/{owner}/{name}/lfs-files/duplicate", share, methods=["POST"]),
]
