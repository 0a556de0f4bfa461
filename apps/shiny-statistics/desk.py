"""Where analyses are asked for: each is computed once, in another process, for all who want it."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import Any

import pandas as pd
from study import dataset
from study.catalogue import Analysis, modules, run
from study.errors import StudyError
from study.result import Result

from spacehand_runtime import (
    Cache,
    Job,
    MemoryGuard,
    Metrics,
    Progress,
    Queue,
    RuntimeProblem,
    content_key,
)

# On two cores, a fit gains nothing by a second thread and loses much when two of them ask for four.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

_log = logging.getLogger("study")

EDITION = "1"  # of the analyses: another one answers anew what was kept


class Computation:
    """One analysis under way, and the tickets of those who wait for it. Lives in the event loop's thread."""

    def __init__(self, job: Job[dict[str, Any]]) -> None:
        self.job = job
        self.tickets: set[Ticket] = set()


class Ticket:
    """What one user gets for asking: how far it is, and in the end a result or a problem."""

    def __init__(self, computation: Computation | None = None, *, shared: bool = False) -> None:
        self.result: Result | None = None
        self.problem: StudyError | RuntimeProblem | None = None
        self.source = "shared" if shared else "computed"
        self.cancelled = False
        self._began, self.seconds = time.monotonic(), 0.0
        self._computation = computation
        if computation:
            computation.tickets.add(self)

    @property
    def settled(self) -> bool:
        """Nothing will change any more."""
        return self.cancelled or self.result is not None or self.problem is not None

    @property
    def job_id(self) -> str:
        """The name by which the job is found after a page was loaded anew."""
        return self._computation.job.id if self._computation else ""

    @property
    def waiting(self) -> int:
        """How many analyses start before this one, and this one itself; 0 once it runs."""
        return self._computation.job.position if self._computation else 0

    @property
    def eta(self) -> float | None:
        """Seconds until the result, about."""
        return self._computation.job.eta if self._computation else 0.0

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._computation.job.progress if self._computation else Progress(1.0, "")

    def cancel(self) -> None:
        """Want it no more; the work stops if nobody else waits for it."""
        if self.settled or not self._computation:
            return
        self.cancelled = True
        self._computation.tickets.discard(self)
        if not self._computation.tickets:
            self._computation.job.cancel()

    def settle(
        self,
        *,
        result: Result | None = None,
        problem: StudyError | RuntimeProblem | None = None,
        source: str = "",
    ) -> None:
        """Keep what came of it, and after how many seconds."""
        self.result, self.problem, self.source = result, problem, source or self.source
        self.seconds = time.monotonic() - self._began


class Desk:
    """
    Takes analyses for many users; all calls come from the event loop's thread.

    Quick analyses have a process of their own: they never wait behind the bootstrap of somebody else.
    """

    def __init__(self) -> None:
        # 100 + 2 x 32 MB: all results together stay below 200 MB.
        self.cache = Cache(max_bytes="100MB", ttl=1800, directory=os.environ.get("CACHE_DIRECTORY") or None)
        self.guard = MemoryGuard(shed=[self.cache.shed])
        settings: dict[str, Any] = {
            "memory": os.environ.get("WORKER_MEMORY", "2GB"),
            "guard": self.guard,
            "preload": modules(),
            "keep_bytes": "32MB",
        }
        self._quick = Queue(workers=1, max_pending=50, timeout=120.0, **settings)
        self._long = Queue(workers=1, max_pending=50, timeout=900.0, **settings)
        self._under_way: dict[str, Computation] = {}
        self._collectors: set[asyncio.Task[None]] = set()
        self.metrics = Metrics().watch(cache=self.cache, queue=self, guard=self.guard)
        self._seconds = self.metrics.histogram(
            "analysis_seconds", "Seconds until a user had the result.", ["analysis", "source"]
        )

    def start(self) -> None:
        """Start the processes, so that the first user does not wait for them."""
        self.guard.watch()
        self._quick.start()
        self._long.start()

    def status(self) -> dict[str, Any]:
        """Return what both queues tell, added up."""
        both = [self._quick.status(), self._long.status()]
        counted = {name: sum(status[name] for status in both) for name in both[0] if name != "mean_s"}
        return counted | {"mean_s": both[1]["mean_s"] or both[0]["mean_s"]}

    def close(self) -> None:
        """End the processes, and what they do."""
        self.guard.close()
        self._quick.close()
        self._long.close()

    async def read(self, path: str, name: str, user: str) -> pd.DataFrame:
        """
        Return the table in an uploaded file, read in another process: a workbook may be a bomb.

        Raises:
            UploadError: it is no table.
            RuntimeProblem: the server is full, or reading took too much of it.
        """
        with self.metrics.request() as observed:
            try:
                return await self._quick.submit(dataset.read, path, name, user=user)
            except StudyError as problem:  # no error of the app
                observed.counted = False
                raise problem from None

    def ask(self, analysis: Analysis, data: dataset.Dataset, options: dict[str, Any], user: str) -> Ticket:
        """
        Return a ticket for *analysis* of *data*; it is settled at once if the result is known.

        Who asks for what is under way waits for that. A key is all of the data and options, so that nobody
        gets the result of data they do not have.

        Raises:
            QueueFullError: too many analyses wait.
            OverloadedError: memory is short.
        """
        key = content_key(EDITION, analysis.name, data.key, options, secure=True)
        with self.metrics.request() as observed:
            ticket = Ticket()
            if (found := self.cache.get(key)) is not None:
                self._give([ticket], analysis, source="cache", result=Result.from_json(found))
                return ticket
            observed.counted = False
        under_way = self._under_way.get(key)
        if under_way and under_way.tickets:  # without any it was cancelled just now
            return Ticket(under_way, shared=True)
        queue = self._long if analysis.is_long else self._quick
        job = queue.submit(run, analysis.name, data.table, options, user=user, key=key)
        computation = self._under_way[key] = Computation(job)
        collector = asyncio.get_running_loop().create_task(self._collect(key, computation, analysis))
        self._collectors.add(collector)
        collector.add_done_callback(self._collectors.discard)
        return Ticket(computation)

    async def _collect(self, key: str, computation: Computation, analysis: Analysis) -> None:
        """Wait for the result, keep it, and give it to everybody who waits."""
        found: dict[str, Any]
        with self.metrics.request() as observed:
            try:
                data = await computation.job
                found = {"result": Result.from_json(data)}
                self.cache.put(key, data)
            except StudyError as problem:
                found = {"problem": problem}
            except RuntimeProblem as problem:
                found = {"problem": problem}
                observed.failed, observed.counted = True, bool(computation.tickets)  # else it was cancelled
            except Exception as error:  # of a library, on data that nobody thought of
                _log.exception("%s failed", analysis.name)
                found = {"problem": StudyError(f"{analysis.title} failed on these data: {error}")}
                observed.failed = True
        if self._under_way.get(key) is computation:
            del self._under_way[key]
        self._give(list(computation.tickets), analysis, **found)

    def _give(self, tickets: list[Ticket], analysis: Analysis, **found: Any) -> None:
        for ticket in tickets:
            ticket.settle(**found)
            self._seconds.observe(ticket.seconds, analysis=analysis.name, source=ticket.source)
