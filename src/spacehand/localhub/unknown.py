"""Requests that no route matches."""

from __future__ import annotations

import re

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from spacehand.localhub.errors import HubError
from spacehand.localhub.pages.render import refusal, wants_page
from spacehand.localhub.request import caller, unseen

# `gpt2` without an owner: such names are older than namespaces, and no Hub makes new ones.
_LEGACY_API = re.compile(
    r"/api/(?:models|datasets|spaces)/[^/]+"
    r"(?:/(?:revision|tree|refs|commits|paths-info|resolve|preupload|commit|like|xet-[a-z]+-token)(?:/.*)?)?\Z"
)
_LEGACY_FILE = re.compile(r"/(?:datasets/|spaces/)?[^/]+/(?:resolve|raw)/[^/]+/.+\Z")


async def unknown_route(request: Request) -> Response:
    """Say what is not there: a repository, a route, or a page."""
    path = request.scope["path"]
    if _LEGACY_API.match(path) or _LEGACY_FILE.match(path):
        raise unseen(caller(request))
    if path.startswith("/api/"):
        # Not another 5xx: the client would try those again, five times.
        raise HubError(501, f"The local Hub does not have `{request.method} {path}` yet")
    missing = HubError(404, f"There is no page `{path}`")
    if wants_page(request):
        return await run_in_threadpool(refusal, request, missing)
    raise missing
