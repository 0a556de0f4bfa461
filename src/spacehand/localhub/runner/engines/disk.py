"""What files take of this machine's disk."""

from __future__ import annotations

import os
from pathlib import Path


def bytes_held(folder: Path) -> int:
    """Return what all files in *folder* take on the disk; a file with several names counts once."""
    total = 0
    seen: set[tuple[int, int]] = set()
    open_folders = [str(folder)]
    while open_folders:
        try:
            with os.scandir(open_folders.pop()) as entries:
                for entry in entries:
                    about = entry.stat(follow_symlinks=False)
                    if about.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                        if (about.st_dev, about.st_ino) in seen:
                            continue
                        seen.add((about.st_dev, about.st_ino))
                    total += about.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        open_folders.append(entry.path)
        except OSError:
            continue  # gone meanwhile
    return total
