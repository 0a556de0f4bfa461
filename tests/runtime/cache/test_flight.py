"""One computation for all: where waiting would never end, and what a change of the data does to it."""

import asyncio
import os
import subprocess
import sys
import threading

import pytest

from spacehand_runtime import Cache, ReentryError


class Slow:
    """A computation in a thread of its own, which goes on when it is told to."""

    def __init__(self, cache, value):
        self.begun, self.go, self.answer = threading.Event(), threading.Event(), None
        self._cache, self._value = cache, value
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        assert self.begun.wait(30)

    def end(self):
        self.go.set()
        self._thread.join(30)
        return self.answer

    def _ask(self):
        self.answer = self._cache.get_or_compute("key", self._compute)

    def _compute(self):
        self.begun.set()
        assert self.go.wait(30)
        return self._value


@pytest.fixture(params=["memory", "disk"])
def caches(request, tmp_path):
    """Two names for one cache: with a folder, each its own object, as two processes have."""
    if request.param == "disk":
        return Cache(directory=tmp_path), Cache(directory=tmp_path)
    cache = Cache()
    return cache, cache


@pytest.mark.parametrize("change", [lambda cache: cache.invalidate("key"), Cache.clear])
def test_who_asks_after_a_change_gets_what_began_after_it(caches, change):
    """
    Those who waited get the old result; it is neither given to those who come later, nor kept.
    """
    ours, others = caches
    slow = Slow(ours, "old")
    change(others)

    assert others.get_or_compute("key", lambda: "new") == "new"
    assert slow.end() == "old"
    assert ours.get_or_compute("key", lambda: "newer") == "new"


OTHER = """
import sys
from spacehand_runtime import Cache
cache = Cache(directory=sys.argv[1])
def compute():
    print("begun", flush=True)
    sys.stdin.readline()
    return "old"
print(cache.get_or_compute("key", compute), flush=True)
"""


def test_a_change_reaches_what_another_process_computes(tmp_path):
    """
    Its result is the older one: it is not kept in the folder.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as other:
        assert other.stdout.readline() == "begun\n"
        cache = Cache(directory=tmp_path)
        cache.invalidate("key")
        assert cache.get_or_compute("key", lambda: "new") == "new"
        assert other.communicate("\n", timeout=60)[0] == "old\n"

    assert Cache(directory=tmp_path).get_or_compute("key", lambda: "newer") == "new"


def test_two_caches_of_one_folder_do_not_wait_for_each_other(tmp_path):
    """
    In one process, too, a result that needs itself is an error, never a standstill.
    """
    one, other = Cache(directory=tmp_path), Cache(directory=tmp_path / "x" / "..")

    with pytest.raises(ReentryError, match="waits for itself"):
        one.get_or_compute("key", lambda: other.get_or_compute("key", lambda: 1))


def test_a_plain_call_never_holds_up_the_loop_that_computes():
    """
    A coroutine that asks without awaiting, for what a task of its own loop computes, is told.
    """
    cache = Cache()

    async def scene():
        begun, go = asyncio.Event(), asyncio.Event()

        async def compute():
            begun.set()
            await go.wait()
            return "done"

        task = asyncio.create_task(cache.get_or_compute_async("key", compute))
        await begun.wait()
        with pytest.raises(ReentryError, match="hold up the loop"):
            cache.get_or_compute("key", lambda: 1)
        go.set()
        return await task

    assert asyncio.run(scene()) == "done"


FORK = """
import os, sys, threading
from spacehand_runtime import Cache
cache = Cache(directory=sys.argv[1] if len(sys.argv) > 1 else None)
begun, go = threading.Event(), threading.Event()
def compute():
    begun.set()
    go.wait()
    return "parent"
def ask():
    cache.get_or_compute("key", compute)
cache.put("there", "already")
thread = threading.Thread(target=ask)
thread.start()
begun.wait()
cache._memory._lock.acquire()  # as a thread may, at that moment
if not (child := os.fork()):
    mine = Cache() if len(sys.argv) > 1 else cache
    ok = mine.get_or_compute("key", lambda: "child") == "child" and cache.get("nothing") is None
    os._exit(0 if ok else 1)
cache._memory._lock.release()
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
go.set()
thread.join()
print(status, cache.get("key"), cache.get("there"))
"""


@pytest.mark.parametrize("tier", ["memory", "disk"])
def test_a_forked_child_waits_for_no_thread_of_its_parent(tmp_path, tier):
    """
    What a thread of the parent computes, or has locked, never comes to an end in the child.
    """
    folder = [str(tmp_path)] if tier == "disk" else []
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, *folder],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )

    assert (done.stdout, done.stderr) == ("0 parent already\n", "")
