"""Files over HTTP: the tree, some paths, the bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spacehand.ids import RepoKind
from spacehand.localhub import wire_json
from spacehand.localhub.errors import HubError, entry_not_found
from spacehand.localhub.files import wire
from spacehand.localhub.files.download import Found, answer
from spacehand.localhub.files.history import LastCommit, last_commits
from spacehand.localhub.files.listing import Listings
from spacehand.localhub.paging import paged_together
from spacehand.localhub.repos.snapshot import Entry, Snapshot
from spacehand.localhub.repos.store import Repo
from spacehand.localhub.request import downloadable_repo, local_hub, part, readable_repo
from spacehand.localhub.transfer import whole_body

_PAGE = 1000
_EXPANDED_PAGE = 50
_MAX_FORM = 32 * 1024 * 1024  # bytes
_SUBMODULE = 0o160000
_LISTINGS = Listings()


async def tree(request: Request) -> Response:
    """What lies in a folder; *expand* adds who changed each file last."""
    repo = readable_repo(request)
    path = part(request, "path").strip("/") if "path" in request.path_params else ""
    recursive = _is_true(request.query_params.get("recursive"))
    expand = _is_true(request.query_params.get("expand"))

    def list_page() -> Response:
        snapshot = local_hub(request).repos.snapshot(repo, part(request, "rev"))
        entries = _LISTINGS.entries(snapshot, path, recursive=recursive)
        size = _EXPANDED_PAGE if expand else _PAGE
        describe = _Describer(request, repo, snapshot, expand=expand)
        return paged_together(request, entries, describe.all, size=size)

    return await asyncio.to_thread(list_page)


async def paths_info(request: Request) -> Response:
    """The same about some paths; those that are not there are left out."""
    repo = readable_repo(request)
    paths, expand = await _asked_paths(request)

    def describe_all() -> list[dict[str, object]]:
        snapshot = local_hub(request).repos.snapshot(repo, part(request, "rev"))
        entries = [entry for path in paths if (entry := snapshot.entry(path)) is not None]
        return _Describer(request, repo, snapshot, expand=expand).all(entries)

    return JSONResponse(await asyncio.to_thread(describe_all))


async def resolve(request: Request, *, kind: RepoKind, raw: bool = False) -> Response:
    """A file's bytes; *raw* gives what git holds, which of a large file is the pointer."""
    repo = downloadable_repo(request, kind)
    return answer(request, await asyncio.to_thread(_find, request, repo, raw=raw))


def _find(request: Request, repo: Repo, *, raw: bool) -> Found:
    hub = local_hub(request)
    snapshot = hub.repos.snapshot(repo, part(request, "rev"))
    path = part(request, "path")
    entry = snapshot.entry(path)
    # With the commit's id the client remembers that the file is not there.
    missing = entry_not_found(path, {"X-Repo-Commit": snapshot.sha})
    if entry is None or entry.is_dir or entry.mode == _SUBMODULE:
        raise missing
    if entry.lfs_sha256 is None or raw:
        return Found(repo, snapshot.sha, entry, snapshot.blob(entry))
    if not hub.objects.has(entry.lfs_sha256):
        raise missing
    return Found(repo, snapshot.sha, entry, None)


class _Describer:
    """Turns the entries of one snapshot into JSON, a page at a time."""

    def __init__(self, request: Request, repo: Repo, snapshot: Snapshot, *, expand: bool) -> None:
        self._hub = local_hub(request)
        self._repo = repo
        self._snapshot = snapshot
        self._expand = expand

    def all(self, entries: Sequence[Entry]) -> list[dict[str, object]]:
        changed: dict[str, LastCommit] = {}
        if self._expand:
            git = self._hub.repos.git(self._repo)
            changed = last_commits(git, git[self._snapshot.sha], [entry.path for entry in entries])
        return [self._one(entry, changed.get(entry.path)) for entry in entries]

    def _one(self, entry: Entry, last: LastCommit | None) -> dict[str, object]:
        sha256 = entry.lfs_sha256
        return wire.entry(entry, self._hub.objects.xet_hash(sha256) if sha256 else None, last)


async def _asked_paths(request: Request) -> tuple[list[str], bool]:
    """Read ``paths`` and ``expand``, sent as a form by the official client, as JSON by others."""
    body = await whole_body(request, _MAX_FORM)
    fields: dict[str, Any]
    try:
        is_json = "json" in request.headers.get("content-type", "")
        fields = wire_json.parse(body) if is_json else parse_qs(body.decode())
        paths, expand = fields.get("paths") or [], fields.get("expand", False)
    except (ValueError, AttributeError):
        raise HubError(400, "The body must hold `paths`, as a form or as JSON") from None
    if isinstance(expand, list):
        expand = _is_true(expand[0])
    if not isinstance(paths, str | list):
        raise HubError(400, "`paths` must be a list")
    return [str(path) for path in ([paths] if isinstance(paths, str) else paths)], bool(expand)


def _is_true(text: str | None) -> bool:
    return (text or "").lower() in ("true", "1")


def _download_routes(kind: RepoKind) -> list[Route]:
    repo = f"/{kind.web_prefix}{{owner}}/{{name}}"
    return [
        Route(f"{repo}/resolve/{{rev}}/{{path:path}}", partial(resolve, kind=kind)),
        Route(f"{repo}/raw/{{rev}}/{{path:path}}", partial(resolve, kind=kind, raw=True)),
    ]


_REPO = "/api/{kind:plural}/{owner}/{name}"
routes = [
    Route(_REPO + "/tree/{rev}", tree),
    Route(_REPO + "/tree/{rev}/{path:path}", tree),
    Route(_REPO + "/paths-info/{rev}", paths_info, methods=["POST"]),
    *_download_routes(RepoKind.DATASET),
    *_download_routes(RepoKind.SPACE),
    *_download_routes(RepoKind.MODEL),
]
