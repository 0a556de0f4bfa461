"""One stored result: its parts, its measured bytes, and how long it holds."""

from __future__ import annotations

import math
import mmap
import sys
from dataclasses import dataclass
from typing import Any, NamedTuple

from spacehand_runtime.codec.encoded import Encoded, Tree, decode

_OWN_PAGES = 1 << 20  # bytes; larger buffers get pages that go back to the system at once when dropped
_OVERHEAD = 512  # bytes for the entry itself, its key and its place in the table
_SELF = (type(None), bool, int, float, str)


Name = tuple[str | None, str]  # scope and key


class Wanted(NamedTuple):
    """What is asked for, and on which terms it is kept: *ttl* in seconds, None for ever."""

    name: Name
    ttl: float | None
    tags: tuple[str, ...]


@dataclass(eq=False)
class Entry:
    """A result in parts. *fresh_until* and *good_until* are on the clock of the wall, in seconds."""

    tree: Tree
    buffers: list[memoryview]
    fresh_until: float
    good_until: float
    tags: tuple[str, ...] = ()
    file: tuple[int, int, int] | None = None  # inode, size and mtime_ns of the file the buffers look into
    bytes: int = 0

    def __post_init__(self) -> None:
        self.bytes = _OVERHEAD + sum(buffer.nbytes for buffer in self.buffers) + _size(self.tree)

    @classmethod
    def of(
        cls, encoded: Encoded, *, now: float, ttl: float | None, stale_ttl: float, tags: tuple[str, ...]
    ) -> Entry:
        """
        Keep what was *encoded* in buffers of our own: what happens to it later does not matter.
        """
        tree, buffers = encoded
        fresh = math.inf if ttl is None else now + ttl
        return cls(tree, [_own(buffer) for buffer in buffers], fresh, fresh + stale_ttl, tags)

    def value(self) -> Any:
        """Return the result, put together anew."""
        return self.tree if type(self.tree) in _SELF else decode(self.tree, self.buffers)


def _own(buffer: Any) -> memoryview:
    if type(buffer) is bytes:
        return memoryview(buffer)  # nobody can change it
    view = memoryview(buffer).cast("B")
    if view.nbytes < _OWN_PAGES:
        return memoryview(bytes(view))
    pages = mmap.mmap(-1, view.nbytes)
    pages[:] = view
    return memoryview(pages).toreadonly()


def _size(tree: Tree) -> int:
    if type(tree) is list:
        return sys.getsizeof(tree) + sum(map(_size, tree))
    if type(tree) is dict:
        return sys.getsizeof(tree) + sum(map(_size, tree.values()))
    return sys.getsizeof(tree)
