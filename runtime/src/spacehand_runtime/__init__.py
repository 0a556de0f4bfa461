"""
What an app needs inside a small Space; standard library only.

Each name is loaded when it is first asked for: an app that wants the rate limit does not pay for the cache.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .attempts import degrade, retry
    from .cache.cache import Cache
    from .errors import (
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
    from .key.content import content_key, register_key
    from .memory_guard import MemoryGuard, MemoryState
    from .metrics.metrics import Metrics
    from .queue.job import Job, JobState
    from .queue.progress import Progress, report_progress
    from .queue.queue import Queue
    from .rate_limit import RateLimit

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
    "Cache": "cache.cache",
    "Job": "queue.job",
    "JobCancelledError": "errors",
    "JobFailedError": "errors",
    "JobProblem": "errors",
    "JobState": "queue.job",
    "JobTimeoutError": "errors",
    "MemoryGuard": "memory_guard",
    "MemoryLimitError": "errors",
    "MemoryState": "memory_guard",
    "Metrics": "metrics.metrics",
    "OverloadedError": "errors",
    "Progress": "queue.progress",
    "Queue": "queue.queue",
    "QueueClosedError": "errors",
    "QueueFullError": "errors",
    "QueueProblem": "errors",
    "RateLimit": "rate_limit",
    "RateLimitedError": "errors",
    "ReentryError": "errors",
    "RuntimeProblem": "errors",
    "SharedFailureError": "errors",
    "UncacheableError": "errors",
    "UnkeyableError": "errors",
    "UnknownJobError": "errors",
    "UnsendableError": "errors",
    "WorkerLostError": "errors",
    "content_key": "key.content",
    "degrade": "attempts",
    "register_key": "key.content",
    "report_progress": "queue.progress",
    "retry": "attempts",
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
