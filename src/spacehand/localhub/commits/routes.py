"""Commits over HTTP."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spacehand.localhub.commits import preupload, store, wire
from spacehand.localhub.commits.pack import Pack
from spacehand.localhub.commits.proposal import Proposal, ProposalReader
from spacehand.localhub.errors import HubError, repo_not_found
from spacehand.localhub.metadata.store import require_valid_readme
from spacehand.localhub.paging import paged
from spacehand.localhub.repos.snapshot import resolve
from spacehand.localhub.repos.store import Repo
from spacehand.localhub.request import (
    endpoint,
    json_body,
    local_hub,
    part,
    readable_repo,
    signed_in,
    text_field,
    writable_repo,
)
from spacehand.localhub.store.incoming import full_disk_told, pour
from spacehand.localhub.transfer import body

_PAGE = 50  # commits


async def before_upload(request: Request) -> Response:
    """Say of each file whether it goes into git or is a large file, is ignored, or is here already."""
    _refuse_pull_request(request)
    repo = writable_repo(request)
    fields = await json_body(request)
    files = fields.get("files")
    if not isinstance(files, list):
        raise HubError(400, "`files` must be a list")
    candidates = [preupload.Candidate.parse(file) for file in files]
    git_ignore = text_field(fields, "gitIgnore") if fields.get("gitIgnore") is not None else None

    def advise() -> dict[str, object]:
        snapshot = local_hub(request).repos.snapshot(repo, part(request, "rev"))
        found = preupload.advise(snapshot, candidates, git_ignore)
        return {"files": [wire.advice(each) for each in found], "commitOid": snapshot.sha}

    return JSONResponse(await asyncio.to_thread(advise))


async def commit(request: Request) -> Response:
    """Take one commit, line by line, and move the branch."""
    _refuse_pull_request(request)
    repo = writable_repo(request)
    try:
        with full_disk_told(), Pack(local_hub(request).repos.git_dir(repo)) as pack:
            sha = await _record(request, repo, pack)
    except FileNotFoundError:
        raise repo_not_found() from None  # deleted while the commit was on its way
    url = f"{endpoint(request)}/{repo.kind.web_prefix}{repo.id}"
    return JSONResponse(wire.accepted(sha, url))


async def commits(request: Request) -> Response:
    """The history of a revision, the latest first."""
    repo = readable_repo(request)
    revision = part(request, "rev") if "rev" in request.path_params else "main"
    formatted = "formatted" in request.query_params.getlist("expand[]")

    def answer() -> Response:
        git = local_hub(request).repos.git(repo)
        ids = store.history(git, resolve(git, revision))
        headers = {"X-Total-Count": str(len(ids))}

        def as_json(oid: object) -> dict[str, object]:
            return wire.commit(store.described(git, oid), formatted=formatted)

        return paged(request, ids, as_json, size=_PAGE, headers=headers)

    return await asyncio.to_thread(answer)


async def super_squash(request: Request) -> Response:
    """Make one commit of a branch's whole history."""
    repo = writable_repo(request)
    fields = await json_body(request)
    message = text_field(fields, "message", "Super-squash branch using huggingface_hub")
    author = signed_in(request).name or ""
    await asyncio.to_thread(store.squash, local_hub(request), repo, part(request, "rev"), message, author)
    return JSONResponse({"success": True})


async def _record(request: Request, repo: Repo, pack: Pack) -> str:
    hub, author = local_hub(request), signed_in(request).name or ""
    reader = ProposalReader(pack)
    await pour(body(request), _Lines(reader))

    def record() -> str:
        proposal = reader.finish()
        _require_valid_readme(proposal, repo)
        return store.record(hub, repo, part(request, "rev"), proposal, pack, author)

    return await asyncio.to_thread(record)


class _Lines:
    """A sink that hands what arrives to a `ProposalReader`."""

    def __init__(self, reader: ProposalReader) -> None:
        self.write = reader.feed


def _require_valid_readme(proposal: Proposal, repo: Repo) -> None:
    content = proposal.contents.get("README.md")
    if content is not None:
        require_valid_readme(content.decode("utf-8", "replace"), repo.kind)


def _refuse_pull_request(request: Request) -> None:
    if request.query_params.get("create_pr", "0") not in ("0", "false", "False", ""):
        raise HubError(501, "Pull requests are not on the local Hub yet")


_REPO = "/api/{kind:plural}/{owner}/{name}"
routes = [
    Route(_REPO + "/preupload/{rev}", before_upload, methods=["POST"]),
    Route(_REPO + "/commit/{rev}", commit, methods=["POST"]),
    Route(_REPO + "/commits", commits),
    Route(_REPO + "/commits/{rev}", commits),
    Route(_REPO + "/super-squash/{rev}", super_squash, methods=["POST"]),
]
