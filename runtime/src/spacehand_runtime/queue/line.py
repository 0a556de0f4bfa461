"""The jobs that wait: one of each user in turn, so that nobody's hundred jobs keep another's one waiting."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Line(Generic[T]):
    """What waits, by user; the user who was served last is served again last."""

    def __init__(self) -> None:
        self._users: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._users.values()))

    def add(self, user: str, job: T) -> None:
        """Let *job* wait behind the other jobs of *user*."""
        self._users.setdefault(user, deque()).append(job)

    def take(self) -> T | None:
        """Return the next job, which no longer waits; None if none does."""
        if not self._users:
            return None
        user, jobs = self._users.popitem(last=False)
        job = jobs.popleft()
        if jobs:
            self._users[user] = jobs
        return job

    def remove(self, user: str, job: T) -> None:
        """Let *job* wait no longer; nothing happens if it does not."""
        jobs = self._users.get(user)
        if jobs and job in jobs:
            jobs.remove(job)
            if not jobs:
                del self._users[user]

    def ahead(self, user: str, job: T) -> int:
        """Return how many jobs will be taken before *job*, if nobody adds one."""
        turn = self._users[user].index(job)
        count = turn
        earlier = True
        for other, jobs in self._users.items():
            if other == user:
                earlier = False
            else:
                count += min(len(jobs), turn + earlier)
        return count
