"""What a job costs beyond its work, beside the pools that people know."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context

from benchmarks.figure import Figure, in_turn, seconds
from spacehand_runtime import Queue

ROUNDS = 5
CALLS = 200
SIZE = 12_500_000  # numbers: 100 MB


def run(rounds: int = ROUNDS, calls: int = CALLS, size: int = SIZE) -> list[Figure]:
    """Measure a job that does nothing, and one whose argument and result are a big array."""
    numpy = import_module("numpy")
    array = numpy.ones(size)
    what = f"{array.nbytes / 1e6:.0f} MB"
    with (
        Queue(workers=2, memory=None, keep=1) as queue,
        ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as pool,
    ):

        def ours() -> float:
            return _each(calls, lambda: queue.submit(abs, -1).result())

        def peer() -> float:
            return _each(calls, lambda: pool.submit(abs, -1).result())

        for warm in (ours, peer):
            warm()
        mine, theirs = in_turn(rounds, ours, peer)
        figures = [
            # The promise is one millisecond; the pool beside it does no more than the call.
            Figure("Job that does nothing", "the promise", mine, [1.0], 1.0, unit="ms"),
            Figure("Job that does nothing", "ProcessPoolExecutor", mine, theirs, unit="ms"),
        ]
        if find_spec("joblib"):
            figures.append(_beside_joblib(rounds, calls, ours))
        there = in_turn(
            rounds,
            lambda: seconds(lambda: queue.submit(numpy.size, array).result()),
            lambda: seconds(lambda: pool.submit(numpy.size, array).result()),
        )
        figures.append(Figure(f"Argument of {what}", "ProcessPoolExecutor", *there, goal=1.0))
        back = in_turn(
            rounds,
            lambda: seconds(lambda: queue.submit(numpy.ones, size).result()),
            lambda: seconds(lambda: pool.submit(numpy.ones, size).result()),
        )
        figures.append(Figure(f"Result of {what}", "ProcessPoolExecutor", *back, goal=1.0))
    return figures


def _beside_joblib(rounds: int, calls: int, ours: Callable[[], float]) -> Figure:
    joblib = import_module("joblib")
    with joblib.Parallel(n_jobs=2, batch_size=1) as parallel:

        def peer() -> float:
            return _each(calls // 10, lambda: parallel([joblib.delayed(abs)(-1)]))

        peer()
        return Figure("Job that does nothing", "joblib (loky)", *in_turn(rounds, ours, peer), unit="ms")


def _each(calls: int, call: Callable[[], object]) -> float:
    """Return the median time of one call, in milliseconds: a busy machine disturbs some, not all."""
    return statistics.median(seconds(call) for _ in range(calls)) * 1e3
