"""Folders that apps have filled, and their end."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_all(folder: Path) -> None:
    """
    Remove *folder* with all that is in it, however deep an app has nested it.

    What cannot be removed stays, and nothing is said of it.
    """
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        _flatten(folder)
        folder.rmdir()


def _flatten(folder: Path) -> None:
    """Empty *folder*, and move up what its folders hold, until there are none: so nothing is deep."""
    top = os.open(folder, _FOLDER)
    try:
        while names := _without_files(top):
            for name in names:
                below = os.open(name, _FOLDER, dir_fd=top)
                try:
                    for inner in _without_files(below):
                        os.rename(inner, secrets.token_hex(8), src_dir_fd=below, dst_dir_fd=top)
                finally:
                    os.close(below)
                os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)


def _without_files(folder: int) -> list[str]:
    """Remove all but the folders in the open *folder*, and return their names."""
    with os.scandir(folder) as found:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
    for name, is_dir in entries:
        if not is_dir:
            os.unlink(name, dir_fd=folder)
    return [name for name, is_dir in entries if is_dir]
