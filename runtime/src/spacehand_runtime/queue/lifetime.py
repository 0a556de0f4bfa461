"""Queues that are open: each is closed when the app ends, and begins anew in a forked child."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Protocol


class Open(Protocol):
    """What is asked of an open queue."""

    def close(self) -> None:
        """End everything that runs."""

    def after_fork(self) -> None:
        """Begin with nothing: what runs is the parent's."""


_open: weakref.WeakSet[Open] = weakref.WeakSet()


def opened(queue: Open) -> None:
    """Look after *queue* from now on, as long as somebody else holds it."""
    _open.add(queue)


def closed(queue: Open) -> None:
    """Look after *queue* no more."""
    _open.discard(queue)


@atexit.register
def _close_all() -> None:
    for queue in list(_open):
        queue.close()


def _after_fork() -> None:
    for queue in list(_open):
        queue.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
