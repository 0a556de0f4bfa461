from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from tests.deploy.conftest import Clock

from spacehand.errors import HubUnreachableError
from spacehand.hub._protocol import SpaceRuntime
from spacehand.hub.events import NoStreamError, following, parse_runtime
from spacehand.stage import Stage


@dataclass
class Hub:
    """A Hub whose Space goes through *stages*, one a look; *streams* are what its event stream sends."""

    stages: list[str]
    streams: list[list[str]] | None = None
    failures: list[Exception] = field(default_factory=list)
    looks: int = 0

    def look(self) -> SpaceRuntime:
        self.looks += 1
        if self.failures:
            raise self.failures.pop(0)
        return parse_runtime({"stage": self.stages.pop(0) if len(self.stages) > 1 else self.stages[0]})

    def stream(self, _silence: float) -> Iterator[str]:
        if self.streams is None:
            raise NoStreamError
        yield from self.streams.pop(0) if self.streams else []


def seen(hub: Hub, clock: Clock, timeout: float = 60) -> list[str]:
    return [
        runtime.raw_stage
        for runtime in following(hub.look, hub.stream, timeout=timeout, now=clock.now, sleep=clock.sleep)
    ]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_polling_is_slow_and_ends_in_time(clock: Clock) -> None:
    """Without a stream a look every three seconds at most, and none after the time is up."""
    hub = Hub(["BUILDING", "BUILDING", "APP_STARTING", "RUNNING"])

    assert seen(hub, clock, 60) == ["BUILDING", "APP_STARTING", "RUNNING"]
    assert hub.looks <= 21
    assert clock.now() <= 1000 + 60


def test_the_stream_is_followed(clock: Clock) -> None:
    """Each event that tells a new stage is yielded once."""
    events = [json.dumps({"stage": stage}) for stage in ("BUILDING", "APP_STARTING", "RUNNING")]
    assert seen(Hub(["BUILDING", "RUNNING"], [events]), clock, 5)[:3] == [
        "BUILDING",
        "APP_STARTING",
        "RUNNING",
    ]


def test_an_event_in_unknown_words_is_a_reason_to_look(clock: Clock) -> None:
    """What an event says may change; that something happened does not."""
    assert seen(Hub(["BUILDING", "RUNNING"], [["{}", "no json"]]), clock, 5) == ["BUILDING", "RUNNING"]


def test_a_broken_look_is_tried_again(clock: Clock) -> None:
    """A Hub that is away for some seconds is waited for, one that stays away is reported."""
    hub = Hub(["BUILDING", "RUNNING"], failures=[HubUnreachableError("503")] * 3)
    assert seen(hub, clock, 30) == ["BUILDING", "RUNNING"]

    with pytest.raises(HubUnreachableError):
        seen(Hub(["BUILDING"], failures=[HubUnreachableError("503")] * 100), clock)


def test_a_stage_nobody_knows_keeps_its_name() -> None:
    """SLEEPING is known though the client's enum lacks it; a word from tomorrow is UNKNOWN and kept."""
    assert parse_runtime({"stage": "SLEEPING"}).stage is Stage.SLEEPING
    tomorrow = parse_runtime({"stage": "WARMING"})
    assert (tomorrow.stage, tomorrow.raw_stage) == (Stage.UNKNOWN, "WARMING")


def test_a_paused_space_has_no_hardware() -> None:
    """The live API sends nulls where a client might expect objects."""
    raw = {
        "stage": "PAUSED",
        "hardware": {"current": None, "requested": "t4-small"},
        "replicas": {"current": None},
    }
    runtime = parse_runtime(raw)
    assert (runtime.hardware, runtime.requested_hardware, runtime.sleep_seconds) == (None, "t4-small", None)
    assert parse_runtime({"stage": "PAUSED", "hardware": None}).hardware is None
