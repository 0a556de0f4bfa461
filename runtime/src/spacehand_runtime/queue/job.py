"""A job: what a user waits for. Several jobs may wait for one and the same work."""

from __future__ import annotations

import asyncio
import concurrent.futures
import enum
import secrets
from collections.abc import AsyncIterator, Generator
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar, cast

from spacehand_runtime.queue.engine import Runner
from spacehand_runtime.queue.outcome import Failure, Outcome, Stop
from spacehand_runtime.queue.progress import Progress

T = TypeVar("T")

_AWAY = 1 << 20  # bytes; bigger results are put together in a thread, not in the event loop


class JobState(str, enum.Enum):
    """Where a job is."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_settled(self) -> bool:
        """Nothing will change any more."""
        return self not in (JobState.PENDING, JobState.RUNNING)


class Places(Protocol):
    """What a job asks of the queue that it is in."""

    def position_of(self, job: Job[Any], /) -> int: ...

    def eta_of(self, job: Job[Any], /) -> float | None: ...

    def cancel(self, job: Job[Any], /) -> bool: ...


class Work:
    """One computation, the jobs that wait for it, and where it runs."""

    __slots__ = ("attempts", "call", "jobs", "key", "name", "progress", "runner", "started", "stop")

    def __init__(self, call: object, name: str, key: str | None) -> None:
        self.call, self.name, self.key = call, name, key
        self.jobs: list[Job[Any]] = []
        self.attempts = 0
        self.progress = Progress(0.0, "")
        self.started: float | None = None
        self.runner: Runner | None = None
        self.stop: Stop | None = None


class Job(Generic[T]):
    """
    One user's request for a computation; ``await`` it in a coroutine, or call :meth:`result`.

    Its *id* cannot be guessed, and finds it again (``queue.job(id)``) after a page was loaded anew.
    """

    def __init__(self, queue: Places, work: Work, user: str, submitted: float) -> None:
        self.id = secrets.token_urlsafe(16)
        self.user = user
        self.submitted = submitted
        self.work = work
        self.settled: Future[Outcome] = Future()
        self.state = JobState.PENDING
        self._queue = queue

    @property
    def key(self) -> str | None:
        """The key by which others join; None if nobody can."""
        return self.work.key

    @property
    def position(self) -> int:
        """How many jobs start before this one, and this one itself: 1 is next, 0 has started."""
        return self._queue.position_of(self)

    @property
    def eta(self) -> float | None:
        """
        In about how many seconds the job is settled; None if nobody can tell.

        From the progress it reported, else from how long the same function took before.
        """
        return self._queue.eta_of(self)

    @property
    def progress(self) -> Progress:
        """How far it is, as :func:`report_progress` told it; 1.0 when it is done."""
        return Progress(1.0, self.work.progress.text) if self.state is JobState.DONE else self.work.progress

    def result(self, timeout: float | None = None) -> T:
        """
        Wait, at most *timeout* seconds, and return what the function returned, as the caller's own copy.

        Raises:
            TimeoutError: it is not settled yet.
            JobProblem: the job was cancelled, or stopped, or its process died.
            Exception: what the function raised, with the traceback in the worker as its cause.
        """
        try:
            outcome = self.settled.result(timeout)
        except concurrent.futures.TimeoutError:
            msg = f"The job is still {self.state.value}"
            raise TimeoutError(msg) from None
        return cast("T", outcome.load())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, at most *timeout* seconds; return whether the job is settled."""
        return bool(concurrent.futures.wait([self.settled], timeout).done)

    def cancel(self) -> bool:
        """
        Want the result no more; return whether that came in time.

        The work is stopped, in the middle of whatever it does, unless other jobs wait for it.
        """
        return self._queue.cancel(self)

    def __await__(self) -> Generator[Any, None, T]:
        """Wait as :meth:`result` does, without holding up the event loop."""
        return self._result().__await__()

    async def watch(self, every: float = 0.5) -> AsyncIterator[Job[T]]:
        """Yield the job itself *every* so many seconds, and once more when it is settled."""
        waiting = asyncio.wrap_future(self.settled)
        while not self.state.is_settled:
            yield self
            await asyncio.wait([waiting], timeout=every)
        yield self

    async def _result(self) -> T:
        outcome = await asyncio.shield(asyncio.wrap_future(self.settled))
        if outcome.bytes > _AWAY:
            return cast("T", await asyncio.to_thread(outcome.load))
        return cast("T", outcome.load())

    def settle(self, outcome: Outcome) -> None:
        """Let everybody know what came of it; called once, by the queue."""
        if isinstance(outcome, Failure):
            self.state = JobState.CANCELLED if outcome.is_cancelled else JobState.FAILED
        else:
            self.state = JobState.DONE
        self.settled.set_result(outcome)
