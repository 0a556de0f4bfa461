"""Caches in a forked child: the threads of the parent, and the locks that they hold, are not there."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """What is asked of a cache after a fork."""

    def forget(self) -> None:
        """Let go of what belongs to the parent of this process."""


_caches: weakref.WeakSet[Forked] = weakref.WeakSet()


def watch(cache: Forked) -> None:
    """Look after *cache* from now on, as long as somebody else holds it."""
    _caches.add(cache)


def _after_fork() -> None:
    for cache in list(_caches):
        cache.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
