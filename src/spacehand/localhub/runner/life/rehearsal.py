"""What goes wrong with a build or a start when a fault is switched on for it."""

from __future__ import annotations

from spacehand.localhub.faults.kind import EVICTED, NO_CAPACITY, FaultKind
from spacehand.localhub.faults.store import Faults
from spacehand.localhub.runner.build.builder import BuildFailedError
from spacehand.localhub.runner.life.health import UnhealthyAppError
from spacehand.localhub.spaces import hardware


async def before_build(faults: Faults, space: str) -> None:
    """
    Return when the build of *space* may begin.

    Raises:
        BuildFailedError: it shall fail, and nobody say why.
    """
    await faults.hold(FaultKind.SLOW_BUILD, space)
    if faults.take(FaultKind.EMPTY_BUILD_LOG, space):
        raise BuildFailedError("")


async def before_start(faults: Faults, space: str, flavor: str) -> None:
    """
    Return when the app of *space* may start on *flavor*.

    Raises:
        UnhealthyAppError: it shall not; the message is the Hub's.
    """
    await faults.hold(FaultKind.STUCK_START, space)
    if faults.take(FaultKind.NO_CAPACITY, space):
        raise UnhealthyAppError(NO_CAPACITY)
    if faults.take(FaultKind.STORAGE_LIMIT, space):
        known = hardware.find(flavor)
        raise UnhealthyAppError(EVICTED.format(disk=known.disk if known else 50))
