"""Faults over HTTP, for the Hub's owner."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spacehand.localhub.errors import forbidden
from spacehand.localhub.faults import wire
from spacehand.localhub.request import json_body, local_hub, part, signed_in


def list_faults(request: Request) -> Response:
    """The faults that are switched on."""
    _owner(request)
    faults = local_hub(request).faults
    return JSONResponse([wire.fault(one, now=faults.now()) for one in faults.on()])


async def add_fault(request: Request) -> Response:
    """Fail from now on: ``{"kind", "space"?, "times"?, "duration"?, "seconds"?}``."""
    owner, faults = _owner(request), local_hub(request).faults
    added = faults.add(wire.parse(await json_body(request), owner=owner, now=faults.now()))
    local_hub(request).runner.look_anew()
    return JSONResponse(wire.fault(added, now=faults.now()))


async def remove_fault(request: Request) -> Response:
    """Switch one fault off; what it kept waiting goes on."""
    _owner(request)
    local_hub(request).faults.remove(part(request, "id"))
    local_hub(request).runner.look_anew()
    return JSONResponse({})


async def clear_faults(request: Request) -> Response:
    """Switch all faults off."""
    _owner(request)
    removed = local_hub(request).faults.clear()
    local_hub(request).runner.look_anew()
    return JSONResponse({"removed": removed})


def _owner(request: Request) -> str:
    known, owner = signed_in(request), local_hub(request).accounts.owner
    if known.name != owner or known.role != "write":
        raise forbidden("Only the Hub's owner may make it fail")
    return owner


routes = [
    Route("/api/spacehand/faults", list_faults),
    Route("/api/spacehand/faults", add_fault, methods=["POST"]),
    Route("/api/spacehand/faults", clear_faults, methods=["DELETE"]),
    Route("/api/spacehand/faults/{id}", remove_fault, methods=["DELETE"]),
]
