"""Bytes on their way out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 1024 * 1024  # bytes


def file_blocks(path: Path, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes *start* to *end* (exclusive) of *path*, in blocks of a MiB."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        while start < end:
            data = os.pread(descriptor, min(_BLOCK, end - start), start)
            if not data:
                raise OSError(f"{path.name} is shorter than it was")
            start += len(data)
            yield data
    finally:
        os.close(descriptor)
