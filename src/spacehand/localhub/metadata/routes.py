"""Front matter, and what clients ask in passing."""

from __future__ import annotations

import os

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from spacehand import __version__
from spacehand.ids import RepoKind
from spacehand.localhub.errors import HubError
from spacehand.localhub.metadata import wire
from spacehand.localhub.metadata.store import validate_front_matter
from spacehand.localhub.request import json_body, local_hub, text_field
from spacehand.localhub.wire_time import from_unix


async def validate_yaml(request: Request) -> Response:
    """Check the header of a README: ``{"content", "repoType"}``; 400 when something is wrong."""
    body = await json_body(request)
    found = validate_front_matter(text_field(body, "content"), _kind(text_field(body, "repoType", "model")))
    status = 400 if found.errors else 200
    if "text/plain" in request.headers.get("accept", ""):
        return PlainTextResponse(wire.as_text(found), status)
    return JSONResponse(wire.as_json(found), status)


async def alive(request: Request) -> Response:
    """Which process answers, and since when."""
    started = from_unix(local_hub(request).started)
    return JSONResponse({"pid": os.getpid(), "version": __version__, "started": started})


async def list_routes(request: Request) -> Response:
    """Every route of this Hub: ``[{"methods", "path", "about"}]``."""
    table = [route for route in request.app.routes if isinstance(route, Route)]
    return JSONResponse([wire.route(route) for route in table if route.name != "unknown_route"])


async def agent_harnesses(_request: Request) -> Response:
    """Programs that drive the client by themselves: none are known here."""
    return JSONResponse({"standardEnvVars": [], "harnesses": {}})


async def telemetry(_request: Request) -> Response:
    """Taken, and forgotten."""
    return Response(status_code=200)


def _kind(text: str) -> RepoKind:
    try:
        return RepoKind(text)
    except ValueError:
        raise HubError(400, f"`repoType` must be one of {', '.join(RepoKind)}") from None


routes = [
    Route("/api/validate-yaml", validate_yaml, methods=["POST"]),
    Route("/api/spacehand/alive", alive),
    Route("/api/spacehand/routes", list_routes),
    Route("/api/agent-harnesses", agent_harnesses),
    Route("/api/telemetry/{path:path}", telemetry, methods=["GET", "POST"]),
]
