"""Findings as the official client expects them."""

from __future__ import annotations

from typing import Any

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
