"""What all Spaces of one Hub are built and run with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spacehand.localhub.runner.life.bedtime import Rest
from spacehand.localhub.runner.life.health import Pace

if TYPE_CHECKING:
    from spacehand.localhub.runner.build.layer import Layers
    from spacehand.localhub.runner.life.launch import Launcher
    from spacehand.localhub.runner.life.state import RunStates

_DRAIN_SECONDS = 30.0  # that requests under way get when their app is replaced
_PAUSES = (1.0, 5.0, 15.0)  # before an app that ended while running is started again


@dataclass
class Crew:
    """What all Spaces' reconcilers share."""

    launcher: Launcher
    states: RunStates
    layers: Layers | None = None
    pace: Pace = field(default_factory=Pace)
    pauses: tuple[float, ...] = _PAUSES
    drain_seconds: float = _DRAIN_SECONDS
    rest: Rest = field(default_factory=Rest)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
