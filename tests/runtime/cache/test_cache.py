"""The cache in one process: whose result it is, how long it holds, how much it takes."""

import asyncio
import subprocess
import sys
import threading

import pytest

from spacehand_runtime import Cache, ReentryError, UncacheableError


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self):
        self.time = 1_000_000.0

    def now(self):
        return self.time


class Counted:
    """A computation that counts its runs and returns their number."""

    def __init__(self):
        self.runs = 0

    def __call__(self):
        self.runs += 1
        return self.runs


@pytest.fixture
def clock():
    return Clock()


CALLS: list = []  # a function's closure is part of its key, what it finds in the module is not


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


@pytest.fixture(params=["memory", "disk"])
def cache(request, clock, tmp_path):
    directory = tmp_path / "cache" if request.param == "disk" else None
    return Cache(ttl=60, directory=directory, now=clock.now)


@pytest.fixture
def cache_with_stale(clock):
    return Cache(ttl=60, stale_ttl=600, now=clock.now)


def until(condition):
    """Wait for *condition*, at most ten seconds."""
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("it never came to be")


def test_a_result_is_computed_once_until_its_time_is_over(cache, clock):
    """
    Within its time a result is found again; after it, it is computed anew.
    """
    compute = Counted()

    assert [cache.get_or_compute("key", compute) for _ in range(3)] == [1, 1, 1]
    clock.time += 61
    assert cache.get_or_compute("key", compute) == 2
    stats = cache.get_stats()
    assert (stats["hits"], stats["misses"], stats["hit_rate"], stats["items"]) == (2, 2, 0.5, 1)


def test_without_an_end_a_result_stays(cache, clock):
    """
    ``ttl=None`` means for ever.
    """
    compute = Counted()
    cache.get_or_compute("key", compute, ttl=None)
    clock.time += 1e9

    assert cache.get_or_compute("key", compute) == 1


def test_one_scope_never_answers_another(cache):
    """
    The same key in another scope, or in none, is another result.
    """
    compute = Counted()
    scopes = ["ada", "bo", None, "ada"]

    assert [cache.get_or_compute("key", compute, scope=scope) for scope in scopes] == [1, 2, 3, 1]
    with pytest.raises(ValueError, match="scope is empty"):
        cache.get_or_compute("key", compute, scope="")


def test_what_a_caller_does_to_a_result_stays_with_the_caller(cache):
    """
    Neither the one who computed nor one who was given the result can change it for others.
    """
    numpy = pytest.importorskip("numpy")
    made = {"list": [1, 2], "array": numpy.arange(300_000), "bytes": bytearray(b"x")}

    first = cache.get_or_compute("key", lambda: made)
    made["list"].append(3)
    made["array"][0] = 99
    first["list"].append(4)
    with pytest.raises(ValueError, match="read-only"):
        first["array"][0] = 99
    second = cache.get_or_compute("key", dict)
    second["bytes"][:] = b"changed"

    third = cache.get_or_compute("key", dict)
    assert third["list"] == [1, 2]
    assert third["array"][0] == 0
    assert third["bytes"] == b"x"


def test_a_result_without_codec_is_refused_and_not_kept(cache):
    """
    What cannot be given back the same is an error that names the type.
    """
    with pytest.raises(UncacheableError, match=r"builtins\.object"):
        cache.get_or_compute("key", lambda: [object()])

    assert cache.get_or_compute("key", lambda: 1) == 1


def test_a_failure_is_not_kept(cache):
    """
    The next one computes again.
    """
    with pytest.raises(ZeroDivisionError):
        cache.get_or_compute("key", lambda: 1 / 0)

    assert cache.get_or_compute("key", lambda: 1) == 1


def test_a_result_made_elsewhere_is_put_and_got(cache, clock):
    """
    What was put answers until its time is over, in its scope alone; what is not there is the default.
    """
    cache.put("key", [1], ttl=60, scope="ada")

    assert cache.get("key", "none", scope="ada") == [1]
    assert cache.get("key", "none") == "none"
    assert cache.get_or_compute("key", list, scope="ada") == [1]
    clock.time += 61
    assert cache.get("key", scope="ada") is None
    stats = cache.get_stats()
    assert (stats["hits"], stats["misses"]) == (2, 1)


def test_what_is_put_outlives_the_computation_it_overtook(cache):
    """
    A computation that began before the newer result was put does not replace it.
    """

    def compute():
        cache.put("key", "newer")
        return "older"

    assert cache.get_or_compute("key", compute) == "older"
    assert cache.get("key") == "newer"


def test_shedding_frees_the_bytes_asked_for(clock):
    """
    The results used longest ago go first, no more of them than it takes.
    """
    cache = Cache(now=clock.now)
    for name in "abc":
        cache.put(name, b"x" * 10_000)
    cache.get("a")

    assert 10_000 <= cache.shed(5_000) < 12_000
    assert [cache.get(name) is None for name in "abc"] == [False, True, False]
    assert cache.shed(10**9) < 24_000
    assert (cache.get_stats()["items"], cache.get_stats()["bytes"]) == (0, 0)
    assert cache.shed(1) == 0


def test_the_least_used_goes_first():
    """
    Memory holds at most its bytes; what was asked for last stays.
    """
    cache = Cache(max_bytes=35_000)
    for name in "abc":
        cache.get_or_compute(name, lambda: b"x" * 10_000)
    cache.get_or_compute("a", lambda: b"again")
    cache.get_or_compute("d", lambda: b"x" * 10_000)

    assert cache.get_or_compute("a", lambda: b"again") == b"x" * 10_000
    assert cache.get_or_compute("b", lambda: b"again") == b"again"
    stats = cache.get_stats()
    assert stats["bytes"] <= 35_000
    assert stats["evictions"] >= 1


GROWTH = """
import os, sys
import numpy
from spacehand_runtime import Cache

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

def made(number):
    return numpy.full(2_500_000, number, "f8")

made(0).sum()
before = resident()
cache = Cache("200MB", directory=sys.argv[1] if len(sys.argv) > 1 else None)
most = 0
for number in range(50):
    assert cache.get_or_compute(str(number), lambda: made(number)).sum() == number * 2_500_000
    most = max(most, resident() - before)
print(resident() - before, most, cache.get_stats()["items"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("tier", ["memory", "disk"])
def test_memory_grows_by_its_bound_and_little_more(tmp_path, tier):
    """
    Fifty results of 20 MB at a bound of 200 MB leave less than 220 MB, and most of the bound is used.
    """
    pytest.importorskip("numpy")
    command = [sys.executable, "-c", GROWTH, *([str(tmp_path)] if tier == "disk" else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    grown, most, items = map(float, done.stdout.split())
    assert grown <= 220
    assert most <= 245  # while the next result is there beside what is kept
    assert items == 9


def test_a_result_too_large_is_given_but_not_kept():
    """
    One giant does not push out all others.
    """
    cache = Cache(max_bytes="20kB")
    cache.get_or_compute("small", lambda: 1)
    assert len(cache.get_or_compute("large", lambda: b"x" * 30_000)) == 30_000

    assert cache.get_stats()["items"] == 1


def test_a_stale_result_serves_while_it_is_refreshed(clock, tmp_path):
    """
    After its time a result still comes at once, and a new one is computed behind it, once.
    """
    cache = Cache(ttl=60, stale_ttl=600, directory=tmp_path, now=clock.now)
    compute = Counted()
    cache.get_or_compute("key", compute)
    clock.time += 61

    assert cache.get_or_compute("key", compute) == 1
    until(lambda: cache.get_or_compute("key", compute) == 2)
    assert compute.runs == 2
    until(lambda: not cache.get_stats()["computing"])
    clock.time += 10_000
    assert cache.get_or_compute("key", compute) == 3


def test_a_stale_result_serves_tasks_while_it_is_refreshed(cache_with_stale, clock):
    """
    A coroutine does not wait for the new result either.
    """
    compute = Counted()

    async def run():
        return compute()

    async def ask():
        return await cache_with_stale.get_or_compute_async("key", run)

    async def scene():
        found = [await ask()]
        clock.time += 61
        found.append(await ask())
        await asyncio.gather(*cache_with_stale._refreshing._tasks)
        return [*found, await ask()]

    assert asyncio.run(scene()) == [1, 1, 2]


def test_a_failed_refresh_leaves_the_old_result(clock, caplog):
    """
    It is counted and logged, not raised at somebody who got an answer.
    """
    cache = Cache(ttl=60, stale_ttl=600, now=clock.now)
    cache.get_or_compute("key", lambda: 1)
    clock.time += 61

    assert cache.get_or_compute("key", lambda: 1 / 0) == 1
    until(lambda: cache.get_stats()["refresh_failures"] == 1)
    assert "ZeroDivisionError" in caplog.text


def test_results_are_forgotten_by_key_tag_and_time(cache, clock):
    """
    Each way of forgetting says how many results went.
    """
    cache.get_or_compute("a", lambda: 1, tags=["patients"])
    cache.get_or_compute("b", lambda: 1, tags=["patients"], scope="ada")
    cache.get_or_compute("c", lambda: 1, ttl=10)
    cache.get_or_compute("d", lambda: 1)

    assert cache.invalidate("patients") == 2
    assert cache.invalidate("patients") == 0
    assert cache.invalidate("d", scope="bo") == 0
    assert cache.invalidate("d") == 1
    clock.time += 11
    assert cache.clear_expired() == 1
    assert cache.get_stats()["items"] == 0


def test_a_result_invalidated_while_it_is_computed_is_not_kept(cache):
    """
    What was read before the data changed does not outlive the change.
    """

    def compute():
        cache.invalidate("key")
        return "old"

    assert cache.get_or_compute("key", compute) == "old"
    assert cache.get_or_compute("key", lambda: "new") == "new"


def test_eight_threads_run_it_once(cache):
    """
    All who ask while it is computed wait for the one.
    """
    compute, ready = Counted(), threading.Barrier(9)
    results = []

    def slow():
        until(lambda: cache._flights.under_way() and ready.n_waiting == 0)
        return compute()

    def ask():
        ready.wait()
        results.append(cache.get_or_compute("key", slow))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    ready.wait()
    for thread in threads:
        thread.join()

    assert results == [1] * 8
    stats = cache.get_stats()
    assert (stats["misses"], stats["hits"]) == (1, 7)


def test_eight_tasks_run_it_once_and_the_loop_goes_on(cache):
    """
    Tasks wait without holding up others.
    """
    compute = Counted()

    async def all_at_once():
        ticked = asyncio.Event()

        async def slow():
            await ticked.wait()
            return compute()

        asks = [asyncio.create_task(cache.get_or_compute_async("key", slow)) for _ in range(8)]
        await asyncio.sleep(0)
        ticked.set()
        return await asyncio.gather(*asks)

    assert asyncio.run(all_at_once()) == [1] * 8


def test_a_thread_and_a_task_share_one_run(cache):
    """
    Who computes and who waits may be of different kinds.
    """
    begun, go = threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go.wait(10)
        return "shared"

    thread = threading.Thread(target=cache.get_or_compute, args=("key", slow))
    thread.start()
    assert begun.wait(10)

    async def ask():
        async def never():
            raise AssertionError

        task = asyncio.create_task(cache.get_or_compute_async("key", never))
        await asyncio.sleep(0)
        go.set()
        return await task

    assert asyncio.run(ask()) == "shared"
    thread.join()


def test_an_exception_reaches_each_who_waits():
    """
    A failure is everybody's, and nobody computes it again.
    """
    cache = Cache()
    compute = Counted()

    async def all_at_once():
        gate = asyncio.Event()

        async def fail():
            await gate.wait()
            compute()
            raise LookupError("no such patient")

        asks = [asyncio.create_task(cache.get_or_compute_async("key", fail)) for _ in range(5)]
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*asks, return_exceptions=True)

    assert [str(error) for error in asyncio.run(all_at_once())] == ["no such patient"] * 5
    assert compute.runs == 1


def test_when_the_one_who_computes_is_cancelled_another_takes_over(cache):
    """
    A user who leaves does not take the others' answer along.
    """

    async def scene():
        begun = asyncio.Event()

        async def forever():
            begun.set()
            await asyncio.Event().wait()

        async def quick():
            return "done"

        leader = asyncio.create_task(cache.get_or_compute_async("key", forever))
        await begun.wait()
        waiter = asyncio.create_task(cache.get_or_compute_async("key", quick))
        await asyncio.sleep(0)
        leader.cancel()
        return await asyncio.wait_for(waiter, 10)

    assert asyncio.run(scene()) == "done"


def test_a_computation_that_asks_for_itself_is_told(cache):
    """
    Waiting for oneself is an error, never a standstill.
    """
    with pytest.raises(ReentryError, match="waits for itself"):
        cache.get_or_compute("key", lambda: cache.get_or_compute("key", lambda: 1))


def test_two_computations_that_wait_for_each_other_are_told():
    """
    A circle over two threads is found by the one who would close it.
    """
    cache = Cache()
    both = threading.Barrier(2)
    errors = []

    def ask(mine, other):
        def compute():
            both.wait(10)
            return cache.get_or_compute(other, lambda: 1)

        try:
            cache.get_or_compute(mine, compute)
        except ReentryError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert not any(thread.is_alive() for thread in threads)
    assert errors


def test_memoized_functions_know_their_arguments(cache):
    """
    By name or by place it is the same call; another argument is another result.
    """

    @cache.memoize()
    def analyse(data, *, rounds=3):
        CALLS.append(data)
        return [*data, rounds]

    assert analyse([1]) == analyse(data=[1], rounds=3) == [1, 3]
    assert analyse([2]) == [2, 3]
    assert CALLS == [[1], [2]]


def test_memoized_coroutines_are_awaited_once(cache):
    """
    An async function stays one.
    """

    @cache.memoize(tags=["t"])
    async def analyse(n):
        CALLS.append(n)
        return n + 1

    async def twice():
        return [await analyse(1), await analyse(1)]

    assert asyncio.run(twice()) == [2, 2]
    assert CALLS == [1]


def test_a_generator_is_refused_at_once(cache):
    """
    Before the app runs, not at the first visitor.
    """
    with pytest.raises(UncacheableError, match="one by one"):

        @cache.memoize()
        def rows():
            yield 1


def test_a_memoized_function_may_call_itself_with_less():
    """
    Recursion over smaller arguments is no re-entry.
    """
    cache = Cache()
    names = {"cache": cache, "__name__": "an_app"}
    exec("@cache.memoize()\ndef fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)", names)  # noqa: S102

    assert names["fib"](30) == 832040
    assert cache.get_stats()["misses"] == 31


def test_the_scope_of_a_call_is_asked_for_each_time(cache):
    """
    A scope that is not known is an error, never everybody's.
    """
    user = ["ada"]

    @cache.memoize(scope=lambda: user[0])
    def mine():
        CALLS.append(None)
        return len(CALLS)

    assert [mine(), mine()] == [1, 1]
    user[0] = "bo"
    assert mine() == 2
    user[0] = None
    with pytest.raises(ValueError, match="scope is empty"):
        mine()


def test_a_size_is_written_with_its_unit():
    """
    A size that means nothing is an error at the start.
    """
    assert Cache(max_bytes="1.5 MiB").get_stats()["max_bytes"] == 1_572_864
    with pytest.raises(ValueError, match="`lots` is no size"):
        Cache(max_bytes="lots")
