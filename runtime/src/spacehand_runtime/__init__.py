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
        ReentryError,
        RuntimeProblem,
        SharedFailureError,
        UncacheableError,
        UnkeyableError,
    )
    from ._key import content_key, register_key
    from ._metrics import Metrics
    from ._rate_limit import RateLimit

__all__ = [
    "Cache",
    "Metrics",
    "RateLimit",
    "ReentryError",
    "RuntimeProblem",
    "SharedFailureError",
    "UncacheableError",
    "UnkeyableError",
    "content_key",
    "register_key",
]

_HOMES = {
    "Cache": "_cache",
    "Metrics": "_metrics",
    "RateLimit": "_rate_limit",
    "ReentryError": "_errors",
    "RuntimeProblem": "_errors",
    "SharedFailureError": "_errors",
    "UncacheableError": "_errors",
    "UnkeyableError": "_errors",
    "content_key": "_key",
    "register_key": "_key",
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
