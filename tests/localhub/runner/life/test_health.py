"""An app counts as running when it answers twice, and as lost when it cannot be reached."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from spacehand.localhub.runner.address import SocketAddress
from spacehand.localhub.runner.engines._protocol import Listener
from spacehand.localhub.runner.life.health import HealthWatch, UnhealthyAppError


@dataclass
class QuietApp:
    """An app that never answers; each look at its listeners shows the next of *seen*, then the last again."""

    seen: list[set[Listener]]
    cpu: float = 0.0  # seconds that it uses between two looks
    looks: int = 0
    address: SocketAddress = field(default_factory=lambda: SocketAddress(Path("/nowhere")))

    def listeners(self) -> frozenset[Listener]:
        self.looks += 1
        return frozenset(self.seen[min(self.looks, len(self.seen)) - 1])

    def cpu_seconds(self) -> float:
        return self.looks * self.cpu


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


def lost(app: QuietApp, limit: float = 1800) -> tuple[str, float]:
    """Return why the app was given up, and after how many seconds."""
    clock = Clock()
    unknown: Any = app
    watch = HealthWatch(unknown, limit, now=clock.now, sleep=clock.sleep)
    with pytest.raises(UnhealthyAppError) as caught:
        asyncio.run(watch.wait())
    return caught.value.message, clock.time


def test_time_out_has_the_hubs_words():
    """
    Without a listener the start ends after its time, in the words of the Hub.
    """
    message, seconds = lost(QuietApp([set()]), limit=120)
    assert message == "Launch timed out, workload was not healthy after 2 min"
    assert seconds == pytest.approx(120, abs=1)


def test_wrong_port_is_told_at_once():
    """
    An idle app behind another port is given up after seconds, not after half an hour.
    """
    message, seconds = lost(QuietApp([set(), {Listener("0.0.0.0", 8000)}]))
    assert message == "The app listens on port 8000, but the Space expects 7860"
    assert seconds < 5


@pytest.mark.parametrize(
    ("ports", "told"),
    [((7887, 9999), "port 9999"), ((7887,), "port 7887"), ((9999, 8000, 7887), "ports 8000 and 9999")],
)
def test_wrong_port_is_the_apps_own(ports: tuple[int, ...], told: str):
    """
    The port of the hot reload, which comes with every Gradio Space, is not taken for the app's.
    """
    message, _ = lost(QuietApp([{Listener("0.0.0.0", port) for port in ports}]))
    assert message == f"The app listens on {told}, but the Space expects 7860"


def test_helper_that_listens_while_the_app_works_is_no_wrong_port():
    """
    An app that opens a helper's port first and is busy loading is waited for.
    """
    message, seconds = lost(QuietApp([{Listener("127.0.0.1", 6379)}], cpu=0.4), limit=60)
    assert message.startswith("Launch timed out")
    assert seconds >= 60


def test_ports_that_come_and_go_are_no_wrong_port():
    """
    Only a listener that stays counts.
    """
    changing = [{Listener("0.0.0.0", port)} for port in itertools.islice(itertools.cycle((8000, 8001)), 1000)]
    assert lost(QuietApp(changing), limit=60)[0].startswith("Launch timed out")
