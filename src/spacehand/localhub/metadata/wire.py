"""Findings as the official client expects them, and the table of routes."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from spacehand.localhub.metadata.store import Findings


def as_json(found: Findings) -> dict[str, Any]:
    """Answer of ``/api/validate-yaml``."""
    return {
        "errors": [{"message": message} for message in found.errors],
        "warnings": [{"message": message} for message in found.warnings],
    }


def as_text(found: Findings) -> str:
    """The same for ``Accept: text/plain``, which a card's ``validate()`` shows as it is."""
    lines = [f"- Error: {message}" for message in found.errors]
    return "\n".join([*lines, *(f"- Warning: {message}" for message in found.warnings)])


def route(known: Route) -> dict[str, Any]:
    """One row of ``/api/spacehand/routes``."""
    handler = getattr(known.endpoint, "func", known.endpoint)  # of a functools.partial
    about = (handler.__doc__ or "").strip().partition("\n")[0]
    return {"methods": sorted((known.methods or set()) - {"HEAD"}), "path": known.path, "about": about}
