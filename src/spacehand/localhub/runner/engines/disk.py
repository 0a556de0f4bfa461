"""What files take of this machine's disk."""

from __future__ import annotations

import os
from pathlib import Path

_LONGEST = 2000  # bytes of a path; the kernel takes twice as many
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def bytes_held(folder: Path) -> int:
    """Return what all files in *folder* take on the disk; a file with several names counts once."""
    return _held(str(folder), set())


def _held(folder: str, seen: set[tuple[int, int]]) -> int:
    total = 0
    open_folders = [folder]
    while open_folders:
        path = open_folders.pop()
        try:
            if len(os.fsencode(path)) > _LONGEST:
                total += _held_deep(path, seen)
                continue
            with os.scandir(path) as entries:
                for entry in entries:
                    about = entry.stat(follow_symlinks=False)
                    if about.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                        if (about.st_dev, about.st_ino) in seen:
                            continue
                        seen.add((about.st_dev, about.st_ino))
                    total += about.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        open_folders.append(entry.path)
        except (OSError, RecursionError):
            continue  # gone meanwhile, or a million folders deep
    return total


def _held_deep(folder: str, seen: set[tuple[int, int]]) -> int:
    """Count on with short paths: an app may nest folders deeper than any path is long."""
    descriptor = os.open(folder, _FOLDER)
    try:
        return _held(f"/proc/self/fd/{descriptor}", seen)
    finally:
        os.close(descriptor)
