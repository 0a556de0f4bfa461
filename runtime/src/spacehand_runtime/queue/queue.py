"""Long work for many users: done in other processes, in a fair order, and never twice at the same time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar

from spacehand_runtime.errors import (
    QueueClosedError,
    QueueFullError,
    QueueProblem,
    UnknownJobError,
    WorkerLostError,
)
from spacehand_runtime.memory_guard import MemoryGuard
from spacehand_runtime.queue.durations import Durations
from spacehand_runtime.queue.engine import Runner, engine_called
from spacehand_runtime.queue.job import Job, JobState, Work
from spacehand_runtime.queue.lifetime import closed, opened
from spacehand_runtime.queue.line import Line
from spacehand_runtime.queue.outcome import Failure, Outcome, Stop
from spacehand_runtime.queue.progress import Progress, inside_job
from spacehand_runtime.queue.settled import Settled
from spacehand_runtime.size import byte_size

T = TypeVar("T")

_LOOK = 0.5  # seconds until memory that was short is looked at again

_INSIDE = "Call the function itself; at the top level of an app's file, submit under `if __name__ == ...`"

_log = logging.getLogger("spacehand_runtime.queue")


class Queue:
    """
    Runs functions in *workers* processes, where they disturb neither the web server nor each other.

    ``submit`` returns at once with a :class:`Job`. Users take turns; at most *max_pending* jobs wait. A job
    that takes more than *memory* (bytes, or a text like ``2GB``; by default each gets its part of this
    container; None for no limit) or *timeout* seconds is stopped, alone. One whose process dies is run again,
    up to *retries* times. *preload* names modules that are loaded once for all workers. With a *guard*, jobs
    are refused, or run one at a time, while memory is short. The last *keep* settled jobs are found again by
    their id, as long as their results take no more than *keep_bytes*.

    Processes start with the first job, or with :meth:`start`. ``engine="ray"`` runs the jobs on a Ray
    cluster.
    """

    def __init__(
        self,
        workers: int = 1,
        max_pending: int = 100,
        engine: str = "process",
        *,
        memory: int | str | None = "auto",
        timeout: float | None = None,
        retries: int = 1,
        preload: Sequence[str] = (),
        guard: MemoryGuard | None = None,
        keep: int = 64,
        keep_bytes: int | str = "200MB",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if workers < 1 or max_pending < 1:
            msg = f"A queue needs at least one worker and one place, got {workers} and {max_pending}"
            raise ValueError(msg)
        self._workers, self._max_pending = workers, max_pending
        self._timeout, self._retries, self._guard = timeout, retries, guard
        self._keep, self._now = (keep, byte_size(keep_bytes)), now
        self._engine = engine_called(engine, workers, memory, preload)
        self._clean()
        opened(self)

    def submit(
        self, function: Callable[..., T], *arguments: object, user: str = "", key: str | None = None
    ) -> Job[T]:
        """
        Let *function* be called with *arguments*, in another process, and return the job at once.

        Jobs of one *user* run in order, and take turns with those of others. While a job with the same *key*
        waits or runs, this one joins it: both get the result of one computation.

        Raises:
            QueueFullError: too many jobs wait already.
            OverloadedError: memory is short.
            UnsendableError: the function or an argument cannot be sent to another process.
        """
        if inside_job():
            msg = "A job cannot submit another one"
            raise QueueProblem(msg, hint=_INSIDE)
        with self._change:
            if job := self._join(user, key):
                return job
            self._refuse_if_full()
        if self._guard:
            self._guard.admit_job()
        call = self._engine.pack(function, arguments)
        with self._change:
            if job := self._join(user, key):  # somebody was faster
                return job
            self._refuse_if_full()
            work = Work(call, getattr(function, "__qualname__", repr(function)), key)
            if key is not None:
                self._by_key[key] = work
            self._waiting += 1
            job = self._admit(work, user)
            self._start()
            self._change.notify()
        return job

    def job(self, id: str) -> Job[Any]:  # noqa: A002 - what everybody calls it
        """
        Return the job with this *id*: one that waits or runs, or one of the last that were settled.

        Raises:
            UnknownJobError: there is none.
        """
        with self._change:
            job = self._jobs.get(id) or self._settled.get(id)
        if job is None:
            msg = "There is no job with this id, or it was settled too long ago"
            raise UnknownJobError(msg)
        return job

    def jobs(self, user: str) -> list[Job[Any]]:
        """Return the jobs of *user* that are not forgotten, the oldest first."""
        with self._change:
            return [job for job in (*self._settled.all(), *self._jobs.values()) if job.user == user]

    def status(self) -> dict[str, Any]:
        """Return how many jobs wait and run, and how many ended in which way since the start."""
        with self._change:
            mean = self._durations.mean
            return {
                "pending": self._waiting,
                "running": len(self._running),
                "workers": self._workers,
                **self._counts,
                "mean_s": None if mean is None else round(mean, 3),
            }

    def start(self) -> None:
        """Start the processes now, so that the first user does not wait for them."""
        with self._change:
            self._start()

    def close(self) -> None:
        """Cancel what waits and runs, and end the processes; return when they are gone."""
        with self._change:
            self._closed = True
            unsettled = list(self._jobs.values())
            self._change.notify_all()
        for job in unsettled:
            self.cancel(job)
        self._engine.close()
        for thread in self._threads:
            thread.join()
        closed(self)

    def __enter__(self) -> Queue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def position_of(self, job: Job[Any]) -> int:
        """Return :attr:`Job.position`."""
        with self._change:
            return self._position(job)

    def eta_of(self, job: Job[Any]) -> float | None:
        """Return :attr:`Job.eta`."""
        with self._change:
            if job.state.is_settled:
                return 0.0
            if job.state is JobState.RUNNING:
                return self._remaining(job.work)
            mean = self._durations.mean
            if mean is None:
                return None
            rests = [rest for work in self._running if (rest := self._remaining(work)) is not None]
            free = 0.0 if len(self._running) < self._workers else min(rests, default=mean)
            ahead = (self._position(job) - 1) * mean / self._workers
            return free + ahead + (self._durations.of(job.work.name) or mean)

    def cancel(self, job: Job[Any]) -> bool:
        """Do :meth:`Job.cancel`."""
        with self._change:
            if job.id not in self._jobs:
                return False
            work = job.work
            self._leave(job)
            work.jobs.remove(job)
            if not work.jobs:
                self._abandon(work)
            cancelled = Stop.CANCELLED.outcome()
            self._remember([job], cancelled)
        job.settle(cancelled)
        return True

    def _clean(self) -> None:
        """Begin with nothing, in a new queue and in a forked child."""
        self._change = threading.Condition()
        self._line: Line[Job[Any]] = Line()
        self._jobs: dict[str, Job[Any]] = {}  # not settled
        self._settled = Settled(*self._keep)
        self._by_key: dict[str, Work] = {}
        self._running: list[Work] = []
        self._threads: list[threading.Thread] = []
        self._waiting = 0
        self._closed = False
        self._counts = dict.fromkeys(("done", "failed", "cancelled", "joined", "workers_lost"), 0)
        self._durations = Durations()

    def _join(self, user: str, key: str | None) -> Job[Any] | None:
        if self._closed:
            msg = "This queue is closed"
            raise QueueClosedError(msg)
        work = None if key is None else self._by_key.get(key)
        if work is None:
            return None
        self._counts["joined"] += 1
        return self._admit(work, user)

    def _refuse_if_full(self) -> None:
        if self._waiting >= self._max_pending:
            msg = f"{self._waiting} jobs wait already, and no more may"
            raise QueueFullError(msg, hint="Try again when some of them are done")

    def _admit(self, work: Work, user: str) -> Job[Any]:
        job: Job[Any] = Job(self, work, user, time.time())
        work.jobs.append(job)
        self._jobs[job.id] = job
        if work.started is None:
            self._line.add(user, job)
        else:
            job.state = JobState.RUNNING
        return job

    def _start(self) -> None:
        while len(self._threads) < self._workers:
            number = len(self._threads) + 1
            thread = threading.Thread(target=self._work, name=f"spacehand-queue-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        """Run one job after the other in one process, which is replaced when it dies."""
        runner: Runner | None = None
        while not self._closed:
            if runner is None or not runner.alive:
                try:
                    runner = self._engine.runner()
                except QueueProblem as error:  # the next job will try again, and tell its user
                    _log.warning("%s", error)
            if (work := self._next()) is None:
                break
            outcome: Outcome = Failure(WorkerLostError, "There was no process to run the job", lost=True)
            while self._may_try(work):
                try:
                    runner = runner if runner and runner.alive else self._engine.runner()
                    outcome = self._run(work, runner)
                except QueueProblem as error:  # no process can be started
                    outcome = Failure(WorkerLostError, error.message, hint=error.hint, lost=True)
                except Exception as error:  # whatever it is: who waits must not wait for ever
                    _log.exception("A job could not be run")
                    outcome = Failure(WorkerLostError, f"The job could not be run: {error}")
                if not (isinstance(outcome, Failure) and outcome.lost):
                    break
                with self._change:
                    self._counts["workers_lost"] += 1
            self._finish(work, outcome)
        if runner:
            runner.hang_up()

    def _next(self) -> Work | None:
        """Wait for the work that is next, and mark it as running; None when the queue is closed."""
        with self._change:
            while not self._closed:
                short = self._running and self._guard and not self._guard.state.admits_work
                job = None if short else self._line.take()
                if job is not None:
                    return self._begin(job.work)
                self._change.wait(_LOOK if short else None)
        return None

    def _begin(self, work: Work) -> Work:
        work.started = self._now()
        self._waiting -= 1
        self._running.append(work)
        for job in work.jobs:
            self._line.remove(job.user, job)
            job.state = JobState.RUNNING
        return work

    def _may_try(self, work: Work) -> bool:
        with self._change:
            work.attempts += 1
            return work.stop is None and work.attempts <= 1 + self._retries

    def _run(self, work: Work, runner: Runner) -> Outcome:
        with self._change:
            if work.stop:
                return work.stop.outcome()
            work.runner, work.started, work.progress = runner, self._now(), Progress(0.0, "")
            runner.reserve()

        def report(fraction: float, text: str) -> None:
            work.progress = Progress(fraction, text)

        alarm = threading.Timer(self._timeout, self._stop, (work, Stop.TIMEOUT)) if self._timeout else None
        if alarm:
            alarm.daemon = True
            alarm.start()
        try:
            return runner.run(work.call, report)
        finally:
            if alarm:
                alarm.cancel()
            with self._change:
                work.runner = None

    def _finish(self, work: Work, outcome: Outcome) -> None:
        with self._change:
            self._running.remove(work)
            self._drop_key(work)
            jobs, work.jobs, work.call = work.jobs, [], None
            for job in jobs:
                del self._jobs[job.id]
            if not isinstance(outcome, Failure) and work.started is not None:
                self._durations.learn(work.name, self._now() - work.started)
            self._remember(jobs, outcome)
            self._change.notify()
        for job in jobs:
            job.settle(outcome)

    def _remember(self, jobs: list[Job[Any]], outcome: Outcome) -> None:
        kind = "done"
        if isinstance(outcome, Failure):
            kind = "cancelled" if outcome.is_cancelled else "failed"
        self._counts[kind] += len(jobs)
        self._settled.add(jobs, outcome.bytes)

    def _leave(self, job: Job[Any]) -> None:
        del self._jobs[job.id]
        self._line.remove(job.user, job)

    def _abandon(self, work: Work) -> None:
        """Stop *work*, for which nobody waits any more."""
        self._drop_key(work)
        if work.started is None:
            self._waiting -= 1
        work.stop = Stop.CANCELLED
        if work.runner:
            work.runner.stop(Stop.CANCELLED)

    def _stop(self, work: Work, why: Stop) -> None:
        with self._change:
            if work.runner:
                work.stop = why
                work.runner.stop(why)

    def _drop_key(self, work: Work) -> None:
        if work.key is not None and self._by_key.get(work.key) is work:
            del self._by_key[work.key]

    def _position(self, job: Job[Any]) -> int:
        if job.state is not JobState.PENDING:
            return 0
        return 1 + min(self._line.ahead(other.user, other) for other in job.work.jobs)

    def _remaining(self, work: Work) -> float | None:
        elapsed = self._now() - (work.started or 0.0)
        if work.progress.fraction > 0:
            return elapsed * (1 - work.progress.fraction) / work.progress.fraction
        mean = self._durations.of(work.name)
        return None if mean is None else max(0.0, mean - elapsed)

    def after_fork(self) -> None:
        """Begin with nothing, in a forked child: what runs is the parent's."""
        self._engine.forget()
        self._clean()
