"""Bytes on their way out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 1024 * 1024  # bytes
_DROP_EVERY = 16 * 1024 * 1024  # bytes


def file_blocks(path: Path, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes *start* to *end* (exclusive) of *path*, in blocks of a MiB."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        while start < end:
            data = os.pread(descriptor, min(_BLOCK, end - start), start)
            if not data:
                raise OSError(f"{path.name} is shorter than it was")
            start += len(data)
            if start % _DROP_EVERY < _BLOCK:
                drop_from_cache(descriptor)
            yield data
    finally:
        os.close(descriptor)


def drop_from_cache(descriptor: int) -> None:
    """Give the memory back that reading a file took: who asked for it has a copy now, and caches that."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
