"""git over HTTP, at a repository's page with or without ``.git``."""

from __future__ import annotations

import asyncio
import re
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spacehand.ids import RepoKind
from spacehand.localhub.errors import HubError
from spacehand.localhub.git.command import git_command, git_environment
from spacehand.localhub.git.exchange import Exchange, GitCall, output
from spacehand.localhub.git.push import Push, hooks_folder
from spacehand.localhub.repos.store import Repo
from spacehand.localhub.request import downloadable_repo, local_hub, writable_repo

FETCH, PUSH = "upload-pack", "receive-pack"
_PROTOCOL = re.compile(r"[a-z0-9=:]{1,64}\Z")
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="the local Hub"'}


async def advertise(request: Request, *, kind: RepoKind) -> Response:
    """What branches and tags there are, before a fetch or a push."""
    service = request.query_params.get("service", "").removeprefix("git-")
    if service not in (FETCH, PUSH):
        raise HubError(403, "The Hub speaks git's smart protocol only")
    repo = _allowed_repo(request, kind, service)
    protocol = _protocol(request)
    git_dir = str(local_hub(request).repos.git_dir(repo))
    command = git_command(service, "--stateless-rpc", "--advertise-refs", git_dir)
    listed = await output(GitCall(command, git_environment() | protocol))
    if service == PUSH or "version=2" not in protocol.get("GIT_PROTOCOL", ""):
        title = f"# service=git-{service}\n"
        listed = f"{len(title) + 4:04x}{title}0000".encode() + listed
    headers = {"Cache-Control": "no-cache"}
    return Response(listed, headers=headers, media_type=f"application/x-git-{service}-advertisement")


async def fetch(request: Request, *, kind: RepoKind) -> Response:
    """Objects for a clone or a fetch."""
    repo = _allowed_repo(request, kind, FETCH)
    git_dir = str(local_hub(request).repos.git_dir(repo))
    call = GitCall(git_command(FETCH, "--stateless-rpc", git_dir), git_environment() | _protocol(request))
    return Exchange(call, _result_type(FETCH))


async def push(request: Request, *, kind: RepoKind) -> Response:
    """Objects and moved branches of a push; refused as a whole when it breaks a rule."""
    hub = local_hub(request)
    repo = _allowed_repo(request, kind, PUSH)
    asked = Push(hub, repo)
    settings = {"core__hooksPath": hooks_folder(hub.place)}
    command = git_command(PUSH, "--stateless-rpc", str(hub.repos.git_dir(repo)), **settings)
    environment = git_environment() | _protocol(request) | asked.environment
    judging: list[asyncio.Task[None]] = []

    def started() -> None:
        asked.started()
        judging.append(asyncio.create_task(asked.judge()))

    async def finished() -> None:
        await judging[0]
        await asyncio.to_thread(asked.announce)

    call = GitCall(command, environment, asked.inherited)
    return Exchange(call, _result_type(PUSH), started, finished)


def _allowed_repo(request: Request, kind: RepoKind, service: str) -> Repo:
    """Return the repository; git asks for a name and a password when it is told to."""
    try:
        return writable_repo(request, kind) if service == PUSH else downloadable_repo(request, kind)
    except HubError as error:
        if error.status == 401:
            error.headers |= _CHALLENGE
        raise


def _protocol(request: Request) -> dict[str, str]:
    wanted = request.headers.get("git-protocol", "")
    return {"GIT_PROTOCOL": wanted} if _PROTOCOL.match(wanted) else {}


def _result_type(service: str) -> str:
    return f"application/x-git-{service}-result"


def _routes(kind: RepoKind) -> list[Route]:
    out = []
    for suffix in (".git", ""):
        repo = f"/{kind.web_prefix}{{owner}}/{{name}}{suffix}"
        out += [
            Route(f"{repo}/info/refs", partial(advertise, kind=kind)),
            Route(f"{repo}/git-{FETCH}", partial(fetch, kind=kind), methods=["POST"]),
            Route(f"{repo}/git-{PUSH}", partial(push, kind=kind), methods=["POST"]),
        ]
    return out


routes = [*_routes(RepoKind.DATASET), *_routes(RepoKind.SPACE), *_routes(RepoKind.MODEL)]
