"""The last settled jobs, kept for whoever loads a page anew."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacehand_runtime.queue.job import Job


class Settled:
    """At most *number* jobs, whose results take at most *size* bytes."""

    def __init__(self, number: int, size: int) -> None:
        self._number, self._size = number, size
        self._jobs: OrderedDict[str, tuple[Job[Any], int]] = OrderedDict()
        self._bytes = 0

    def add(self, jobs: Sequence[Job[Any]], size: int) -> None:
        """Keep *jobs*, which share one result of *size* bytes, and forget the oldest that are too many."""
        for job in jobs:
            share = size if job is jobs[-1] else 0
            self._jobs[job.id] = (job, share)
            self._bytes += share
        while len(self._jobs) > self._number or self._bytes > self._size:
            _, (_, share) = self._jobs.popitem(last=False)
            self._bytes -= share

    def get(self, id: str) -> Job[Any] | None:  # noqa: A002 - what everybody calls it
        """Return the job with this *id*, if it is kept."""
        return self._jobs.get(id, (None, 0))[0]

    def all(self) -> list[Job[Any]]:
        """Return the jobs that are kept, the oldest first."""
        return [job for job, _ in self._jobs.values()]
