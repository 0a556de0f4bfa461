"""The same analysis asked for again: how long the server takes, beside computing it."""

from __future__ import annotations

import asyncio
import time

from benchmarks.figure import Figure
from benchmarks.statistics_app import Served, Visitor, served

PEOPLE, ROUNDS = 10, 750
PROMISED = 0.05  # seconds


def run(people: int = PEOPLE, rounds: int = ROUNDS) -> list[Figure]:
    """Let several people ask for the bootstrap at the same time, and again, one after the other."""
    with served() as app:
        first, again = asyncio.run(_asked(app, people, rounds))
    what = f"bootstrap of a Cox model, {rounds} resamples"
    return [
        Figure(f"Asked again: {what}", "the promise", again, [PROMISED], 1.0),
        Figure(f"Asked again: {what}", f"computed for {people} at once", again, first, 0.01),
    ]


async def _asked(app: Served, people: int, rounds: int) -> tuple[list[float], list[float]]:
    visitors = [await Visitor.open(app) for _ in range(people)]

    async def seconds(visitor: Visitor) -> float:
        began = time.perf_counter()
        answer = await visitor.validate(rounds, seed=1)
        assert answer.startswith(("Computed", "Known")), answer
        return time.perf_counter() - began

    first = await asyncio.gather(*(seconds(visitor) for visitor in visitors))
    again = [await seconds(visitor) for visitor in visitors]
    return first, again
