"""
The hit rate of a stated trace: a working day of a statistics app, request by request.

40 users, of whom the busiest ask most (Zipf, exponent 1), send a request every ten seconds on average,
at random (Poisson), for eight hours. Seven of ten are about the example data, which all share; three are
about the user's own upload, in her own scope. What is asked is one of 60 analyses, the popular ones more
often (Zipf, exponent 1). A result takes 20 kB to 5 MB, most of them little (log-uniform). The cache has
200 MB, and results hold for half an hour.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from benchmarks.figure import Figure
from spacehand_runtime import Cache

USERS, ANALYSES, HOURS = 40, 60, 8
SECONDS_BETWEEN, SHARED = 10.0, 0.7
SMALLEST, LARGEST = 20_000, 5_000_000  # bytes


class Request(NamedTuple):
    """Who asks for what, when, and how large the answer is; *user* is None for what all share."""

    at: float
    user: str | None
    analysis: int
    size: int


def run(seed: int = 0) -> list[Figure]:
    """Count the misses of the day, beside the promise and beside an LRU by count that forgets nothing."""
    requests = list(day(seed))
    misses = (1 - hit_rate(requests)) * 100
    counted = lru_cache(maxsize=128)(lambda _user, _analysis: None)
    for request in requests:
        counted(request.user, request.analysis)
    peer = counted.cache_info().misses / len(requests) * 100
    note = f"{len(requests)} requests"
    return [
        Figure("Misses of a working day", "half, the promise", [misses], [50.0], 1.0, "%", note=note),
        Figure("Misses of a working day", "lru_cache of 128, without a time", [misses], [peer], unit="%"),
    ]


def day(seed: int = 0) -> Iterator[Request]:
    """Yield the requests of the day in their order; the same for the same *seed*."""
    chance = random.Random(seed)  # noqa: S311
    sizes: dict[tuple[str | None, int], int] = {}
    at = 0.0
    while (at := at + chance.expovariate(1 / SECONDS_BETWEEN)) < HOURS * 3600:
        user = None if chance.random() < SHARED else f"user {_zipf(chance, USERS)}"
        analysis = _zipf(chance, ANALYSES)
        size = sizes.setdefault((user, analysis), int(SMALLEST * (LARGEST / SMALLEST) ** chance.random()))
        yield Request(at, user, analysis, size)


def hit_rate(requests: list[Request]) -> float:
    """Return the share of *requests* that a cache with the stated bounds answers without computing."""
    now = [0.0]
    cache = Cache("200MB", ttl=1800, now=lambda: now[0])
    for request in requests:
        now[0] = request.at
        cache.get_or_compute(str(request.analysis), lambda size=request.size: bytes(size), scope=request.user)
    rate: float = cache.get_stats()["hit_rate"]
    return rate


def _zipf(chance: random.Random, count: int) -> int:
    return chance.choices(range(count), [1 / (rank + 1) for rank in range(count)])[0]
