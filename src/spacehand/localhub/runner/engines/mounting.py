"""Folders of this machine in an app's view of the file system."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from spacehand.localhub.runner.engines._protocol import Mount

_MOST_LINKS = 40  # as many as the kernel follows


def open_to(uid: int, mounts: Iterable[Mount]) -> None:
    """Let *uid* write to what it may; all that is in there already is its own. Does nothing without root."""
    for mount in mounts:
        if not os.geteuid() and not mount.read_only:
            os.chown(mount.source, uid, uid)


def within(root: Path, target: str) -> PurePosixPath:
    """
    Return where *target* is for who has *root* as its root: links on the way lead to nothing outside.

    Raises:
        OSError: the links lead in a circle.
    """
    found = PurePosixPath("/")
    left = list(reversed(PurePosixPath(target).parts[1:]))
    links = 0
    while left:
        part = left.pop()
        if part == "..":
            found = found.parent
            continue
        here = root / found.relative_to("/") / part
        if not here.is_symlink():
            found /= part
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(f"`{target}` is behind links that lead in a circle")
        link = PurePosixPath(here.readlink())
        if link.is_absolute():
            found = PurePosixPath("/")
        left += reversed(link.parts[1:] if link.is_absolute() else link.parts)
    return found
