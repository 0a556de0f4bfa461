"""How long a deploy waits, and by which clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

TIMEOUT = 1800.0  # seconds; a Space may take half an hour to build, and as long to start


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait, and by which clock."""

    timeout: float = TIMEOUT  # seconds, for a build and a start
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time


DEFAULT_TIMING = Timing()
