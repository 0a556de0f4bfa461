"""Ten people with the statistics app: one computation for all, and nobody else's trouble."""

from __future__ import annotations

import asyncio
import re

import pytest
from benchmarks.statistics_app import Served, Visitor, all_of

pytestmark = pytest.mark.slow


def test_ten_people_wait_for_one_computation_and_have_it_at_once_again(app: Served):
    """
    Nine join the first; asked again, all ten are answered from the cache, and nothing is computed.
    """

    async def story() -> tuple[list[str], list[str], int]:
        visitors = [await Visitor.open(app) for _ in range(10)]
        first = await asyncio.gather(*(visitor.validate(20, seed=5) for visitor in visitors))
        again = await asyncio.gather(*(visitor.validate(20, seed=5) for visitor in visitors))
        lost = sum(visitor.is_lost for visitor in visitors)
        await all_of(visitors)
        return first, again, lost

    before = app.metrics
    first, again, lost = asyncio.run(story())
    now = app.metrics
    assert now["cache"]["misses"] - before["cache"]["misses"] == 1  # a miss is a computation
    assert sum(text.startswith("Computed in") for text in first) == 1
    assert all(text.startswith("Computed") for text in first)
    assert {re.sub(r"\W+$", "", text) for text in again} == {"Known already, from the cache"}
    assert now["cache"]["hits"] - before["cache"]["hits"] == 10
    assert lost == 0
    assert now["requests"]["errors"] == before["requests"]["errors"]


def test_a_worker_that_is_killed_is_nobodys_loss(app: Served):
    """
    Its job runs again, whoever waited has the result, and somebody with another analysis does not notice.
    """

    async def story() -> list[str]:
        one, other = await Visitor.open(app), await Visitor.open(app)
        waiting = asyncio.create_task(one.validate(80, seed=6))
        await other.survival("horTh")  # by then the bootstrap runs
        worker = await asyncio.to_thread(app.busiest_worker)
        worker.kill()
        assert not waiting.done()
        answers = [await other.survival("menostat"), await waiting]
        await all_of([one, other])
        return answers

    failed = app.metrics["queue"]["failed"]
    answers = asyncio.run(story())
    assert all(text.startswith("Computed in") for text in answers), answers
    assert app.metrics["queue"]["failed"] == failed
