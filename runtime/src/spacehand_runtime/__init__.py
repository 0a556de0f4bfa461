"""
What an app needs inside a small Space; standard library only.

Each name is loaded when it is first asked for: an app that wants the rate limit does not pay for the cache.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._cache import Cache
    from ._errors import (
        JobCancelledError,
        JobFailedError,
        JobProblem,
        JobTimeoutError,
        MemoryLimitError,
        OverloadedError,
        QueueClosedError,
        QueueFullError,
        QueueProblem,
        RateLimitedError,
        ReentryError,
        RuntimeProblem,
        SharedFailureError,
        UncacheableError,
        UnkeyableError,
        UnknownJobError,
        UnsendableError,
        WorkerLostError,
    )
    from ._job import Job, JobState
    from ._key import content_key, register_key
    from ._memory_guard import MemoryGuard, MemoryState
    from ._metrics import Metrics
    from ._progress import Progress, report_progress
    from ._queue import Queue
    from ._rate_limit import RateLimit
    from ._retry import degrade, retry

__all__ = [
    "Cache",
    "Job",
    "JobCancelledError",
    "JobFailedError",
    "JobProblem",
    "JobState",
    "JobTimeoutError",
    "MemoryGuard",
    "MemoryLimitError",
    "MemoryState",
    "Metrics",
    "OverloadedError",
    "Progress",
    "Queue",
    "QueueClosedError",
    "QueueFullError",
    "QueueProblem",
    "RateLimit",
    "RateLimitedError",
    "ReentryError",
    "RuntimeProblem",
    "SharedFailureError",
    "UncacheableError",
    "UnkeyableError",
    "UnknownJobError",
    "UnsendableError",
    "WorkerLostError",
    "content_key",
    "degrade",
    "register_key",
    "report_progress",
    "retry",
]

_HOMES = {
    "Cache": "_cache",
    "Job": "_job",
    "JobCancelledError": "_errors",
    "JobFailedError": "_errors",
    "JobProblem": "_errors",
    "JobState": "_job",
    "JobTimeoutError": "_errors",
    "MemoryGuard": "_memory_guard",
    "MemoryLimitError": "_errors",
    "MemoryState": "_memory_guard",
    "Metrics": "_metrics",
    "OverloadedError": "_errors",
    "Progress": "_progress",
    "Queue": "_queue",
    "QueueClosedError": "_errors",
    "QueueFullError": "_errors",
    "QueueProblem": "_errors",
    "RateLimit": "_rate_limit",
    "RateLimitedError": "_errors",
    "ReentryError": "_errors",
    "RuntimeProblem": "_errors",
    "SharedFailureError": "_errors",
    "UncacheableError": "_errors",
    "UnkeyableError": "_errors",
    "UnknownJobError": "_errors",
    "UnsendableError": "_errors",
    "WorkerLostError": "_errors",
    "content_key": "_key",
    "degrade": "_retry",
    "register_key": "_key",
    "report_progress": "_progress",
    "retry": "_retry",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module `{__name__}` has no attribute `{name}`"
        raise AttributeError(msg)
    value = getattr(_import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
