"""Who takes more than the hardware has is ended, and it is said why."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.localhub.runner.conftest import Stand

from spacehand.localhub.runner.engines.process import ProcessEngine
from spacehand.localhub.runner.life.guard import Guard, amount
from spacehand.localhub.store.place import Place


class Eater:
    """An app that takes memory as it is told, and remembers its end."""

    was_out_of_memory = False
    held = 0
    killed = False
    sizes: Iterator[int] = itertools.repeat(0)  # of its files, each time that one looks

    def memory(self, enough: int) -> int:
        del enough
        return self.held

    def disk(self) -> int:
        return next(self.sizes)

    def kill(self) -> None:
        self.killed = True


def guard(place: Place, app: Eater, **spec: Any) -> Guard:
    made = replace(Stand(ProcessEngine(), place.root).spec(""), **spec)
    return Guard(cast("Any", app), made, between_disk_looks=0.01)


async def watched(watch: Guard) -> None:
    async with asyncio.timeout(10):
        await watch.run()


def test_memory_is_watched_where_nothing_fences_it(place: Place):
    """
    An app that holds more than its limit is killed, in the Hub's words.
    """
    app = Eater()
    app.held = (16 << 30) + 1
    watch = guard(place, app, memory_bytes=16 << 30)
    asyncio.run(watched(watch))
    assert app.killed
    assert watch.reason() == "Memory limit exceeded (16Gi)"


def test_what_the_kernel_left_alive_is_ended(place: Place):
    """
    When the kernel has killed one of the app's processes for its memory, the others go too.
    """
    app = Eater()
    app.was_out_of_memory = True
    watch = guard(place, app, memory_bytes=300 << 20)
    asyncio.run(watched(watch))
    assert app.killed
    assert watch.reason() == "Memory limit exceeded (300Mi)"


def test_an_app_that_fills_the_disk_is_evicted(place: Place):
    """
    What an app writes beyond its limit ends it; what it came with is not counted.
    """
    app = Eater()
    watch = guard(place, app, disk_bytes=50 << 30)
    app.sizes = iter([60 << 30, 100 << 30, (110 << 30) + 1])
    asyncio.run(watched(watch))
    assert app.killed
    assert watch.reason() == "Workload evicted, storage limit exceeded (50G)"


def test_an_app_that_just_ended_took_nothing_too_much(place: Place):
    """
    A kill from elsewhere, which is exit code 137 too, is no reason.
    """
    assert guard(place, Eater()).reason() == ""


@pytest.mark.parametrize(
    ("count", "told"), [(16 << 30, "16G"), (200 << 20, "200M"), (1536 << 20, "1536M"), (1000, "1000")]
)
def test_amounts_are_written_as_the_hub_writes_them(count: int, told: str):
    """
    The largest unit that leaves no rest is taken.
    """
    assert amount(count) == told
