"""Front matter, and what clients ask in passing."""

from __future__ import annotations

import os

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spacehand import __version__
from spacehand.localhub.request import local_hub
from spacehand.localhub.wire_time import from_unix


async def alive(request: Request) -> Response:
    """Which process answers, and since when."""
    started = from_unix(local_hub(request).started)
    return JSONResponse({"pid": os.getpid(), "version": __version__, "started": started})


async def agent_harnesses(_request: Request) -> Response:
    """Programs that drive the client by themselves: none are known here."""
    return JSONResponse([])


async def telemetry(_request: Request) -> Response:
    """Taken, and forgotten."""
    return Response(status_code=200)


routes = [
    Route("/api/spacehand/alive", alive),
    Route("/api/agent-harnesses", agent_harnesses),
    Route("/api/telemetry/{path:path}", telemetry, methods=["GET", "POST"]),
]
