"""Which faults are on, and for how long."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from spacehand.localhub.errors import HubError
from spacehand.localhub.faults.kind import FaultKind
from spacehand.localhub.faults.store import Fault, Faults


@dataclass
class Clock:
    """Time that a test moves."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_fault_meets_its_space_as_often_as_it_says() -> None:
    """
    Another Space is not met, and after its times it is gone from the list.
    """
    faults = Faults()
    faults.add(Fault(FaultKind.DEAD_PORT, space="ada/one", times=2))
    assert faults.take(FaultKind.DEAD_PORT, "ada/two") is None
    assert faults.take(FaultKind.NO_CAPACITY, "ada/one") is None
    assert [bool(faults.take(FaultKind.DEAD_PORT, "ada/one")) for _ in range(3)] == [True, True, False]
    assert faults.on() == []


def test_a_fault_ends_with_its_time() -> None:
    """
    Nobody has to switch it off.
    """
    clock = Clock()
    faults = Faults(now=clock)
    faults.add(Fault(FaultKind.UNAVAILABLE, until=clock() + 10))
    clock.seconds += 9.9
    assert faults.refusal("/api/whoami-v2") is not None
    clock.seconds += 0.2
    assert faults.refusal("/api/whoami-v2") is None
    assert faults.on() == []


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("/api/spaces/ada/one/runtime", True),
        ("/api/spaces/ada/one", True),
        ("/api/spaces/ada/two/runtime", False),
        ("/api/models/ada/one", False),
        ("/api/whoami-v2", False),
        ("/api/spacehand/faults", False),
        ("/spaces/ada/one", False),
    ],
)
def test_the_api_of_one_space_fails_alone(path: str, refused: bool) -> None:
    """
    A fault of one Space refuses that Space's calls, and never the calls that switch faults off.
    """
    faults = Faults()
    faults.add(Fault(FaultKind.UNAVAILABLE, space="ada/one"))
    assert (faults.refusal(path) is not None) == refused


def test_what_is_held_goes_on_when_the_fault_is_removed() -> None:
    """
    A start that is kept waiting begins at that moment; one whose work was dropped keeps nothing in the list.
    """

    async def story() -> None:
        faults = Faults()
        fault = faults.add(Fault(FaultKind.STUCK_START, times=1))
        held = asyncio.ensure_future(faults.hold(FaultKind.STUCK_START, "ada/one"))
        dropped = faults.add(Fault(FaultKind.STUCK_START, times=1))
        other = asyncio.ensure_future(faults.hold(FaultKind.STUCK_START, "ada/one"))
        await asyncio.sleep(0)
        assert [each.holding for each in faults.on()] == [1, 1]
        await faults.hold(FaultKind.STUCK_START, "ada/one")  # both are used up
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        assert dropped not in faults.on()
        faults.remove(fault.id)
        await asyncio.wait_for(held, 5)

    asyncio.run(story())


def test_an_unknown_fault_cannot_be_removed() -> None:
    """
    The id is told to be wrong.
    """
    with pytest.raises(HubError, match="No fault has the id `7`"):
        Faults().remove("7")
