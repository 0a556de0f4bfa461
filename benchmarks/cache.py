"""Hits, writes, bounds and single runs of the cache, beside the peers that are installed."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from benchmarks import keys
from benchmarks.figure import Figure, in_turn, seconds
from spacehand_runtime import Cache

ROUNDS = 5
SIZE = 12_500_000  # numbers: 100 MB
_MANY = 20_000


def run(rounds: int = ROUNDS, size: int = SIZE) -> list[Figure]:
    """Measure hits in memory and on disk, a write, the growth of memory, and eight threads."""
    with tempfile.TemporaryDirectory(prefix="spacehand-bench-") as folder:
        return [
            _small_hit(rounds),
            *_disk(rounds, size, Path(folder)),
            *_frame_hits(rounds, size // 15, Path(folder)),
            _growth(),
            _threads(),
        ]


def _small_hit(rounds: int) -> Figure:
    cache = Cache()

    def compute() -> int:
        return 42

    cache.get_or_compute("key", compute)

    def ours() -> float:
        return seconds(lambda: [cache.get_or_compute("key", compute) for _ in range(_MANY)]) / _MANY * 1e6

    # The promise is two microseconds, whatever the others need.
    return Figure(
        "Small hit in memory", "the promise", [ours() for _ in range(rounds)], [2.0], 1.0, unit="us"
    )


def _disk(rounds: int, size: int, folder: Path) -> Iterator[Figure]:
    numpy = import_module("numpy")
    array = numpy.random.default_rng(0).random(size)
    what = f"{array.nbytes / 1e6:.0f} MB array"

    def new() -> Cache:
        return Cache("1GB", directory=folder / "ours", max_disk_bytes="4GB")

    number = iter(range(10**6))

    def write_ours() -> float:
        cache = new()
        cache.clear()
        return seconds(lambda: cache.get_or_compute(f"w{next(number)}", lambda: array))

    def write_raw() -> float:
        (folder / "raw").unlink(missing_ok=True)  # a new file, as ours is
        return seconds(lambda: (folder / "raw").write_bytes(memoryview(array).cast("B")))

    yield Figure(f"Write of a {what}", "raw file write", *in_turn(rounds, write_ours, write_raw), goal=1.3)
    new().get_or_compute("key", lambda: array)

    def first() -> float:
        cache = new()
        return seconds(lambda: cache.get_or_compute("key", list))

    yield Figure(
        f"First hit of a {what}, verified",
        "memcpy",
        *in_turn(rounds, first, lambda: seconds(array.copy)),
        goal=1.5,
        note="With xxhash" if find_spec("xxhash") else "Without xxhash: sha256",
    )
    if not find_spec("joblib"):
        return
    warm = new()
    warm.get_or_compute("key", list)
    peer = import_module("joblib").Memory(folder / "joblib", verbose=0, mmap_mode="r").cache(_made)
    peer(size)
    yield Figure(
        f"Later hit of a {what}",
        "joblib, mapped",
        *in_turn(
            rounds,
            lambda: seconds(lambda: warm.get_or_compute("key", list)),
            lambda: seconds(lambda: peer(size)),
        ),
        goal=0.25,
    )


def _made(size: int) -> Any:
    return import_module("numpy").random.default_rng(0).random(size)


def _frame_hits(rounds: int, rows: int, folder: Path) -> Iterator[Figure]:
    """Measure later hits of the mixed frame that the keys are measured with."""
    if not (find_spec("pandas") and find_spec("joblib")):
        return
    made = _mixed(rows)
    cache = Cache("1GB", directory=folder / "frames", max_disk_bytes="4GB")
    peer = import_module("joblib").Memory(folder / "joblib", verbose=0, mmap_mode="r").cache(_mixed)
    for ask in (lambda: cache.get_or_compute("key", lambda: made), lambda: peer(rows)):
        ask()
    yield Figure(
        f"Later hit of a {made.memory_usage(deep=True).sum() / 1e6:.0f} MB mixed frame",
        "joblib, mapped",
        *in_turn(
            rounds,
            lambda: seconds(lambda: cache.get_or_compute("key", list)),
            lambda: seconds(lambda: peer(rows)),
        ),
        goal=0.4,
    )


def _mixed(rows: int) -> Any:
    return keys.frame(rows)


def _growth() -> Figure:
    """Measure what fifty results of 20 MB leave in memory at a bound of 200 MB."""
    cache = Cache("200MB")
    with _grown() as ours:
        for number in range(50):
            cache.get_or_compute(f"k{number}", lambda: _made(2_500_000))
    kept = cache.get_stats()["items"]
    return Figure(
        "Growth by 50 x 20 MB at a bound of 200 MB", "200 MB", ours, [200.0], 1.1, "MB", note=f"{kept} kept"
    )


@contextmanager
def _grown() -> Iterator[list[float]]:
    process, grown = psutil.Process(), []
    before = process.memory_info().rss
    yield grown
    grown.append((process.memory_info().rss - before) / 1e6)


def _threads() -> Figure:
    """Count the runs of a slow function that eight threads ask for at once."""
    cache = Cache()
    ours = _runs(lambda work: cache.get_or_compute("key", work))
    peer = lru_cache(_call)
    return Figure("Runs for 8 threads", "lru_cache", [ours], [_runs(peer)], goal=1 / 8, unit="")


def _call(work: Callable[[], None]) -> None:
    work()


def _runs(ask: Callable[[Callable[[], None]], object]) -> float:
    ran: list[None] = []

    def work() -> None:
        ran.append(None)
        time.sleep(0.2)

    threads = [threading.Thread(target=ask, args=(work,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return float(len(ran))
