"""A Space's runtime as the Hub's API spells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spacehand.stage import Stage

if TYPE_CHECKING:
    from spacehand.localhub.runner._protocol import RunSettings
    from spacehand.localhub.runner.life.state import RunState


def runtime(
    state: RunState,
    settings: RunSettings,
    *,
    host: str,
    gc_timeout: int | None,
    differences: Sequence[str],
    faults: Sequence[str] = (),
) -> dict[str, Any]:
    """
    Return the runtime; the key ``spacehand`` holds what only this Hub knows.

    Of a static Space, and of one that is not up, the Hub names no ``sha``; ``spacehand.serving`` always does.
    """
    up = state.stage.is_billed
    answer: dict[str, Any] = {
        "stage": state.stage.value,
        "hardware": {"current": state.hardware if up else None, "requested": settings.hardware},
        "storage": None,
        "gcTimeout": gc_timeout,
        "replicas": {"current": max(1, len(state.replicas)) if up else None, "requested": settings.replicas},
        "devMode": False,
        "domains": [{"domain": host, "stage": "READY"}],
        "volumes": list(settings.volumes),
        "spacehand": {
            "fidelity": state.fidelity,
            "differences": list(differences),
            "faults": list(faults),  # that are rehearsed on purpose
            "serving": state.serving,
            "wanted": state.sha,
            "since": state.since,
        },
    }
    if state.stage is Stage.PAUSED:
        for key in ("gcTimeout", "devMode", "domains"):
            del answer[key]
    if state.stage.is_serving and state.serving and state.sdk != "static":
        answer["sha"] = state.serving
    if state.error:
        answer["errorMessage"] = state.error
    return answer
