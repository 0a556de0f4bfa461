"""A fault as it is asked for and told in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spacehand.localhub.errors import HubError
from spacehand.localhub.faults.kind import FaultKind
from spacehand.localhub.faults.store import Fault


def parse(body: Mapping[str, Any], *, owner: str, now: float) -> Fault:
    """
    Return the fault that a request asks for: ``{"kind", "space"?, "times"?, "duration"?, "seconds"?}``.

    A Space without an owner is *owner*'s; durations are in seconds, counted from *now*.

    Raises:
        HubError: 400, no such kind, or a number that is none.
    """
    try:
        kind = FaultKind(str(body.get("kind")))
    except ValueError:
        known = ", ".join(FaultKind)
        raise HubError(400, f"`{body.get('kind')}` is no fault; there are: {known}") from None
    space = body.get("space")
    if space is not None and not isinstance(space, str):
        raise HubError(400, "`space` must be a text")
    times, duration, seconds = (_number(body, name) for name in ("times", "duration", "seconds"))
    if seconds is not None and kind.seconds is None:
        raise HubError(400, f"`{kind}` has no seconds")
    return Fault(
        kind=kind,
        space=space if space is None or "/" in space else f"{owner}/{space}",
        times=None if times is None else max(1, int(times)),
        until=None if duration is None else now + duration,
        seconds=seconds,
    )


def fault(one: Fault, *, now: float) -> dict[str, Any]:
    """Return *one* with what it does, and the seconds it is still on."""
    return {
        "id": one.id,
        "kind": one.kind.value,
        "space": one.space,
        "says": one.says(),
        "seconds": one.seconds,
        "times": one.times,
        "acted": one.acted,
        "secondsLeft": None if one.until is None else round(max(0.0, one.until - now), 1),
    }


def _number(body: Mapping[str, Any], name: str) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**7:
        raise HubError(400, f"`{name}` must be a number, not below 0")
    return float(value)
