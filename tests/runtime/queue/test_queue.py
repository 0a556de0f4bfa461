"""Jobs in processes of their own: fair, joined, stopped for real, and nobody else's trouble."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from tests.runtime.queue import analyses

from spacehand_runtime import (
    JobCancelledError,
    JobFailedError,
    JobState,
    JobTimeoutError,
    MemoryLimitError,
    OverloadedError,
    Queue,
    QueueClosedError,
    QueueFullError,
    QueueProblem,
    UnknownJobError,
    UnsendableError,
    WorkerLostError,
)


@pytest.fixture(scope="module")
def queue() -> Iterator[Queue]:
    """Two workers, which most tests share."""
    with Queue(workers=2, memory="1GB", retries=1) as queue:
        yield queue


@pytest.fixture
def single() -> Iterator[Queue]:
    """One worker of the test's own, so that the order of jobs is known."""
    with Queue(workers=1, retries=0, max_pending=20) as queue:
        yield queue


def _until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.005)


def _gone(process: psutil.Process) -> bool:
    """Whether *process* runs no more; whose parent died may wait for a long time to be taken off the list."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _busy(queue: Queue, gate: Path) -> None:
    """Keep the only worker busy until *gate* exists."""
    job = queue.submit(analyses.wait_for, str(gate), user="somebody")
    _until(lambda: job.state is JobState.RUNNING)


def test_a_job_gives_what_the_function_returns(queue: Queue):
    """
    A job runs in another process, and its result comes back.
    """
    job = queue.submit(analyses.double, 21)

    assert job.result(30) == 42
    assert (job.state, job.position, job.eta, job.progress.fraction) == (JobState.DONE, 0, 0.0, 1.0)
    assert queue.submit(analyses.process).result(30) != os.getpid()


def test_a_job_can_be_awaited(queue: Queue):
    """
    A coroutine waits for a job while others run, and sees its states on the way.
    """

    async def ask() -> tuple[int, list[JobState]]:
        job = queue.submit(analyses.double, 4)
        seen = [seen.state async for seen in job.watch(0.01)]
        return await job, seen

    result, seen = asyncio.run(ask())

    assert result == 8
    assert seen[-1] is JobState.DONE


def test_giving_up_waiting_leaves_the_job_alone(single: Queue, tmp_path: Path):
    """
    A page that is closed cancels its coroutine, and not the job that another page may ask for.
    """
    gate = tmp_path / "gate"
    job = single.submit(analyses.wait_for, str(gate))

    async def give_up() -> None:
        await asyncio.wait_for(job, 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    with pytest.raises(TimeoutError, match="still"):
        job.result(0.01)
    gate.touch()

    assert single.job(job.id).result(30) == str(gate)


def test_an_exception_comes_back_as_itself(queue: Queue):
    """
    Who waits gets the function's own exception, with the traceback in the worker as its cause.
    """
    job = queue.submit(analyses.fail, "plain")

    with pytest.raises(ValueError, match="no such analysis") as caught:
        job.result(30)
    assert "in fail" in str(caught.value.__cause__)
    assert job.state is JobState.FAILED


@pytest.mark.parametrize(("kind", "message"), [("odd", "OddError: one"), ("exit", "SystemExit: enough")])
def test_what_cannot_come_back_comes_as_text(queue: Queue, kind: str, message: str):
    """
    An exception that cannot be made again, and an exit, fail the job with their text, and end no worker.
    """
    lost = queue.status()["workers_lost"]

    with pytest.raises(JobFailedError, match=message):
        queue.submit(analyses.fail, kind).result(30)
    assert queue.status()["workers_lost"] == lost


def test_each_who_asks_gets_a_copy(queue: Queue):
    """
    A big result is mapped and not copied, and what one does to it another does not see.
    """
    job = queue.submit(analyses.ones, 1_000_000)
    first, second = job.result(30), job.result()
    first[0] = 7.0

    assert second[0] == 1.0
    assert np.shares_memory(first, first[:1])
    assert queue.submit(analyses.total, first).result(30) == 1_000_006.0


def test_users_take_turns(single: Queue, tmp_path: Path):
    """
    The one job of a user comes before the second of another who came first.
    """
    gate, notes = tmp_path / "gate", tmp_path / "notes"
    _busy(single, gate)
    many = [single.submit(analyses.note, str(notes), f"a{number}", user="ada") for number in range(3)]
    one = single.submit(analyses.note, str(notes), "b0", user="bo")

    assert [job.position for job in (*many, one)] == [1, 3, 4, 2]
    gate.touch()
    for job in (*many, one):
        job.result(30)
    assert notes.read_text().split() == ["a0", "b0", "a1", "a2"]


def test_the_same_key_is_computed_once(single: Queue, tmp_path: Path):
    """
    A job with the key of one that waits or runs joins it, and moves up if its user's turn comes first.
    """
    gate, notes = tmp_path / "gate", tmp_path / "notes"
    _busy(single, gate)
    single.submit(analyses.double, 1, user="ada")
    first = single.submit(analyses.note, str(notes), "x", user="ada", key="k")
    joined = single.submit(analyses.note, str(notes), "x", user="bo", key="k")

    assert first.id != joined.id
    assert first.position == joined.position == 2
    assert single.status()["joined"] == 1
    gate.touch()
    first.result(30)
    joined.result(30)
    assert notes.read_text() == "x\n"
    single.submit(analyses.note, str(notes), "x", key="k").result(30)
    assert notes.read_text() == "x\nx\n"


def test_a_job_that_another_waits_for_is_not_stopped(single: Queue, tmp_path: Path):
    """
    Cancelling ends one user's waiting; the work goes on as long as somebody else waits for it.
    """
    gate = tmp_path / "gate"
    first = single.submit(analyses.wait_for, str(gate), user="ada", key="k")
    _until(lambda: first.state is JobState.RUNNING)
    second = single.submit(analyses.wait_for, str(gate), user="bo", key="k")

    assert first.cancel()
    with pytest.raises(JobCancelledError):
        first.result(30)
    gate.touch()
    assert second.result(30) == str(gate)
    assert not second.cancel()


def test_cancelling_ends_the_work_and_what_it_started(single: Queue, tmp_path: Path):
    """
    A cancelled job's process and its children are gone, and the next job runs.
    """
    written = tmp_path / "pid"
    job = single.submit(analyses.leave_a_child, str(written))
    _until(lambda: written.exists() and written.read_text())
    child = psutil.Process(int(written.read_text()))

    assert job.cancel()
    assert job.state is JobState.CANCELLED
    assert single.submit(analyses.double, 2).result(30) == 4
    _until(lambda: _gone(child))


def test_a_job_that_waits_can_be_cancelled(single: Queue, tmp_path: Path):
    """
    A job that was cancelled before its turn never runs.
    """
    gate, notes = tmp_path / "gate", tmp_path / "notes"
    _busy(single, gate)
    single.submit(analyses.note, str(notes), "never").cancel()
    last = single.submit(analyses.note, str(notes), "last")

    assert single.status()["pending"] == 1
    gate.touch()
    last.result(30)
    assert notes.read_text() == "last\n"


def test_a_lost_worker_is_its_own_jobs_trouble(queue: Queue, tmp_path: Path):
    """
    A job whose process is killed runs again, once; another that runs meanwhile is not disturbed.
    """
    gate = tmp_path / "gate"
    other = queue.submit(analyses.wait_for, str(gate))

    assert queue.submit(analyses.die_once, str(tmp_path / "died")).result(30) == "alive"
    with pytest.raises(WorkerLostError, match="ended with SIGKILL"):
        queue.submit(analyses.die).result(30)
    gate.touch()
    assert other.result(30) == str(gate)


def test_an_idle_worker_that_dies_costs_no_job(single: Queue):
    """
    A job that comes after its worker was killed runs in a new one, without counting as a try.
    """
    victim = single.submit(analyses.process).result(30)
    os.kill(victim, signal.SIGKILL)
    _until(lambda: not psutil.pid_exists(victim))

    assert single.submit(analyses.process).result(30) != victim
    assert single.status()["workers_lost"] == 0


def test_the_forking_process_may_die(single: Queue):
    """
    Workers do not outlive the process that forked them, and the next job starts everything anew.
    """
    victim = psutil.Process(single.submit(analyses.process).result(30))
    forking = victim.parent()
    assert forking is not None
    forking.kill()
    _until(lambda: _gone(victim))

    assert single.submit(analyses.double, 3).result(30) == 6


def test_too_much_memory_fails_its_own_job():
    """
    A job that takes more memory than a job may fails with a message for its user, at once or bit by bit.
    """
    with Queue(workers=1, memory="300MB", retries=0) as queue:
        with pytest.raises(MemoryLimitError, match="needed more memory than the 300 MB"):
            queue.submit(analyses.eat, 1_000_000_000).result(30)
        with pytest.raises(MemoryLimitError, match="needed more memory than the 300 MB"):
            queue.submit(analyses.eat_slowly).result(30)
        assert queue.submit(analyses.double, 1).result(30) == 2


def test_a_job_that_takes_too_long_is_stopped(tmp_path: Path):
    """
    A time limit ends the job, though it is in C code that never looks up.
    """
    with Queue(timeout=0.2) as queue:
        queue.start()
        job = queue.submit(analyses.hold_the_lock, 60)
        with pytest.raises(JobTimeoutError):
            job.result(30)
        assert job.state is JobState.FAILED


def test_progress_is_seen_while_the_job_runs(queue: Queue, tmp_path: Path):
    """
    What a job reports is seen outside, and gives the time that is left.
    """
    gate = tmp_path / "gate"
    job = queue.submit(analyses.half_way, str(gate))
    _until(lambda: job.progress.fraction == 0.5)

    assert job.progress.text == "half of it"
    assert job.eta is not None
    assert job.eta > 0
    gate.touch()
    job.result(30)
    analyses.half_way(str(gate))  # called and not submitted, it reports to nobody


def test_the_waiting_time_is_known_from_before(single: Queue, tmp_path: Path):
    """
    Without any experience nobody can tell; then a job's turn and duration are estimated.
    """
    gate = tmp_path / "gate"
    first = single.submit(analyses.wait_for, str(gate))
    waiting = single.submit(analyses.wait_for, str(gate))
    assert waiting.eta is None
    gate.touch()
    first.result(30)
    waiting.result(30)
    gate.unlink()
    _busy(single, gate)
    etas = [single.submit(analyses.wait_for, str(gate)).eta for _ in range(3)]
    gate.touch()

    assert None not in etas
    assert etas == sorted(etas)  # type: ignore[type-var]


def test_a_full_line_refuses(single: Queue, tmp_path: Path):
    """
    Only so many jobs may wait; one that joins another takes no place.
    """
    gate = tmp_path / "gate"
    _busy(single, gate)
    for number in range(20):
        single.submit(analyses.double, number, key=str(number))

    with pytest.raises(QueueFullError, match="20 jobs wait already"):
        single.submit(analyses.double, 1)
    joined = single.submit(analyses.double, 19, key="19", user="bo")
    gate.touch()
    assert joined.result(30) == 38


def test_what_cannot_be_sent_is_refused_at_once(queue: Queue):
    """
    A function that another process cannot find is an error where it is submitted.
    """
    with pytest.raises(UnsendableError, match=r"<lambda>.*top level of a module"):
        queue.submit(lambda: 1)
    with pytest.raises(UnsendableError, match="cannot be sent"):
        queue.submit(analyses.double, threading.Lock())


def test_a_job_submits_no_job(queue: Queue):
    """
    A queue inside a job would start workers of workers: it says so.
    """
    with pytest.raises(QueueProblem, match="cannot submit"):
        queue.submit(analyses.submit_another).result(30)


def test_settled_jobs_are_found_by_id_until_there_are_too_many(tmp_path: Path):
    """
    The last settled jobs are kept, by number and by bytes; older ones are unknown.
    """
    with Queue(keep=2, keep_bytes="10MB") as queue:
        jobs = [queue.submit(analyses.double, number, user="ada") for number in range(3)]
        jobs[2].result(30)
        assert queue.jobs("ada") == jobs[1:]
        assert queue.job(jobs[2].id) is jobs[2]
        with pytest.raises(UnknownJobError, match="no job with this id"):
            queue.job(jobs[0].id)
        queue.submit(analyses.ones, 1_000_000, user="bo").result(30)
        big = queue.submit(analyses.ones, 1_000_000, user="bo")
        big.result(30)
        assert queue.jobs("bo") == [big]


def test_a_short_memory_refuses_jobs():
    """
    While memory is short, no job is taken on, and the user learns why.
    """
    from spacehand_runtime import MemoryGuard
    from spacehand_runtime.container import Bound

    guard = MemoryGuard(probe=lambda: [Bound("test", 100, 95)])
    with Queue(guard=guard) as queue, pytest.raises(OverloadedError, match="short of memory"):
        queue.submit(analyses.double, 1)


def test_a_process_that_cannot_start_fails_the_job(monkeypatch: pytest.MonkeyPatch):
    """
    Where no worker starts, the job fails after its tries instead of waiting for ever.
    """
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Queue(retries=1) as queue:
        job = queue.submit(analyses.double, 1)
        with pytest.raises(WorkerLostError, match="could not be started"):
            job.result(30)
        assert queue.status()["workers_lost"] == 2


def test_closing_ends_everything(tmp_path: Path):
    """
    A closed queue cancels its jobs, leaves no process, and takes no more jobs.
    """
    queue = Queue(workers=2)
    worker = queue.submit(analyses.process).result(30)
    jobs = [queue.submit(analyses.wait_for, str(tmp_path / "never")) for _ in range(3)]
    queue.close()

    assert {job.state for job in jobs} == {JobState.CANCELLED}
    assert not psutil.pid_exists(worker)
    with pytest.raises(QueueClosedError):
        queue.submit(analyses.double, 1)
    queue.close()


_APP = """
import os, sys, time
from dataclasses import dataclass
from spacehand_runtime import Queue

queue = Queue(workers=1)

@dataclass
class Answer:
    value: int

def helper(number):
    return number + FIRST

def analyse(number):
    return Answer(helper(number)), os.getpid()

class Server:
    def launch(self):
        answer, pid = queue.submit(analyse, 41).result(30)
        assert type(answer) is Answer and pid != os.getpid()
        print(answer.value, pid, flush=True)
        if "stay" in sys.argv:
            time.sleep(300)

FIRST = 1
Server().launch()
"""


def test_functions_of_the_apps_own_file_can_be_submitted(tmp_path: Path):
    """
    An app that ends with `demo.launch()` and no guard runs its own functions as jobs, and ends in order.
    """
    (tmp_path / "app.py").write_text(_APP)
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    value, pid = done.stdout.split()
    assert value == "42"
    assert not psutil.pid_exists(int(pid))
    assert done.stderr == ""


def test_a_killed_app_leaves_no_process(tmp_path: Path):
    """
    `kill -9` of the app ends its workers, and the process that forked them.
    """
    (tmp_path / "app.py").write_text(_APP)
    app = subprocess.Popen(
        [sys.executable, "app.py", "stay"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert app.stdout is not None
    worker = psutil.Process(int(app.stdout.readline().split()[1]))
    forking = worker.parent()
    assert forking is not None
    app.kill()
    app.wait(30)
    app.stdout.close()

    _until(lambda: _gone(worker) and _gone(forking))
