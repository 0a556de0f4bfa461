"""What an app counted."""

import asyncio
import contextlib
import json
import threading

import pytest

from spacehand_runtime import Cache, MemoryGuard, Metrics, Queue


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def metrics(clock):
    return Metrics(now=clock.now)


def test_the_shape_is_the_promised_one(metrics):
    """
    Tools read these keys over HTTP: none is renamed, and unknown numbers are null or zero.
    """
    shape = json.loads(metrics.to_json())

    assert shape.pop("schema") == "spacehand.metrics/1"
    assert {name: sorted(part) for name, part in shape.items() if isinstance(part, dict)} == {
        "cache": ["bytes", "evictions", "hit_rate", "hits", "items", "misses"],
        "memory": ["limit", "state", "used"],
        "queue": ["failed", "pending", "running"],
        "requests": ["count", "error_rate", "errors", "p50_s", "p95_s"],
        "sessions": ["active", "mean_s", "today", "users_today"],
        "feedback": ["down", "up"],
        "instruments": ["spacehand_request_seconds"],
    }
    assert shape["requests"] == {"count": 0, "errors": 0, "error_rate": 0.0, "p50_s": None, "p95_s": None}


def test_requests_are_counted_and_timed(metrics, clock):
    """
    The percentiles are times that were really measured.
    """
    for seconds in range(1, 101):
        with metrics.request():
            clock.time += seconds

    requests = metrics.snapshot()["requests"]
    assert requests == {"count": 100, "errors": 0, "error_rate": 0.0, "p50_s": 50, "p95_s": 95}


def test_a_failed_request_counts_and_still_fails(metrics):
    """
    An exception is counted, never swallowed.
    """
    with pytest.raises(KeyError), metrics.request():
        raise KeyError

    snapshot = metrics.snapshot()
    assert snapshot["requests"]["errors"] == snapshot["requests"]["count"] == 1
    assert snapshot["queue"]["running"] == 0


def test_what_runs_now_is_seen(metrics):
    """
    A request that has not ended shows as running and is not yet counted.
    """
    with metrics.request():
        snapshot = metrics.snapshot()

    assert snapshot["queue"]["running"] == 1
    assert snapshot["requests"]["count"] == 0


def test_only_the_last_requests_make_the_percentiles(clock):
    """
    Memory is bounded, and an old slow start does not colour today's figures.
    """
    metrics = Metrics(window=10, now=clock.now)
    for seconds in [100] * 5 + [1] * 10:
        with metrics.request():
            clock.time += seconds

    assert metrics.snapshot()["requests"] == {
        "count": 15,
        "errors": 0,
        "error_rate": 0.0,
        "p50_s": 1,
        "p95_s": 1,
    }


def test_sessions_end_and_have_a_length(metrics, clock):
    """
    Open sessions are active, ended ones make the mean, and those begun over a day ago are not today's.
    """
    metrics.session_began("old")
    clock.time += 90_000
    metrics.session_began("a")
    metrics.session_began("b")
    clock.time += 30
    metrics.session_ended("a")
    metrics.session_ended("never began")

    assert metrics.snapshot()["sessions"] == {
        "active": 2,
        "today": 2,
        "users_today": 0,
        "mean_s": 30.0,
    }


def test_users_are_counted_once_a_day_and_not_remembered(metrics, clock):
    """
    The same person in two tabs is one; what is kept of her is a salted hash, for a day.
    """
    for session, user in enumerate(["ada", "bo", "ada"]):
        metrics.session_began(str(session), user)
    other = Metrics()
    other.session_began("0", "ada")

    assert metrics.snapshot()["sessions"]["users_today"] == 2
    assert "ada" not in repr(vars(metrics._sessions))
    assert not set(metrics._sessions._users) & set(other._sessions._users)
    clock.time += 90_000
    metrics.session_began("3", "bo")
    assert metrics.snapshot()["sessions"]["users_today"] == 1


def test_what_is_watched_shows(metrics):
    """
    Cache, queue and guard tell their own figures; before, theirs are zero.
    """

    class Told:
        def __init__(self, **told):
            self.told = told

        def status(self):
            return self.told

    cache = Cache()
    for _ in range(4):
        cache.get_or_compute("key", lambda: 1)
    queue, guard = Told(pending=3, running=2, failed=1, more=9), Told(used=5, limit=10, state="ok")
    shape = metrics.watch(cache=cache).watch(queue=queue, guard=guard).snapshot()

    assert (shape["cache"]["hits"], shape["cache"]["misses"], shape["cache"]["hit_rate"]) == (3, 1, 0.75)
    assert shape["queue"] == {"pending": 3, "running": 2, "failed": 1}
    assert shape["memory"] == {"used": 5, "limit": 10, "state": "ok"}


def test_a_cancelled_request_is_no_error(metrics):
    """
    Whoever closes the tab has not found a fault.
    """
    with pytest.raises(asyncio.CancelledError), metrics.request():
        raise asyncio.CancelledError

    assert metrics.snapshot()["requests"]["errors"] == 0


def test_rates_never_leave_their_range():
    """
    Read at any moment, while threads count, each rate is between 0 and 1.
    """
    metrics, cache, done = Metrics(), Cache(max_bytes=2_000), threading.Event()
    metrics.watch(cache=cache)

    def work():
        number = 0
        while not done.is_set():
            number += 1
            cache.get_or_compute(str(number % 3), lambda: 1)
            with contextlib.suppress(KeyError), metrics.request():
                if number % 2:
                    raise KeyError

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    shapes = [metrics.snapshot() for _ in range(300)]
    done.set()
    for thread in threads:
        thread.join()

    rates = [
        rate for shape in shapes for rate in (shape["cache"]["hit_rate"], shape["requests"]["error_rate"])
    ]
    assert all(0 <= rate <= 1 for rate in rates)
    assert max(rates) > 0


def test_feedback_is_counted(metrics):
    """
    Thumbs go where they point.
    """
    metrics.feedback(good=True)
    metrics.feedback(good=True)
    metrics.feedback(good=False)

    assert metrics.snapshot()["feedback"] == {"up": 2, "down": 1}


def test_memory_queue_and_cache_are_the_real_ones():
    """
    What the runtime's own parts tell fits; memory is told even if nobody named a guard.
    """
    with contextlib.closing(Queue(workers=1)) as queue:
        shape = Metrics().watch(cache=Cache(), queue=queue).snapshot()
    watched = Metrics().watch(guard=MemoryGuard()).snapshot()

    assert shape["queue"] == {"pending": 0, "running": 0, "failed": 0}
    assert shape["memory"].keys() == watched["memory"].keys()
    assert shape["memory"]["state"] in ("ok", "shed", "queue_only", "refuse", "unknown")
    assert shape["memory"]["used"] is None or shape["memory"]["used"] <= shape["memory"]["limit"]


def test_threads_lose_no_count(metrics):
    """
    Requests from many threads are all there in the end.
    """

    def work() -> None:
        for _ in range(200):
            with metrics.request():
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    snapshot = metrics.snapshot()
    assert snapshot["requests"]["count"] == 1600
    assert snapshot["queue"]["running"] == 0
