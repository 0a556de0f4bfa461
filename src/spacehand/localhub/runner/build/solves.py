"""Answers of the solver, kept: the same question need not be asked again."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

_KEPT = 200  # a few kilobytes each


def kept_text(path: Path) -> str | None:
    """Return the answer kept at *path*, and mark it as used."""
    try:
        text = path.read_text()
        os.utime(path)
    except OSError:
        return None
    return text


def keep_text(path: Path, text: str) -> None:
    """Keep *text* at *path*, whole or not at all even if the power fails; the oldest answers go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{secrets.token_hex(4)}.new")
    with fresh.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _prune(path.parent)


def _prune(folder: Path) -> None:
    kept = sorted(folder.glob("*.txt"), key=_used, reverse=True)
    for path in [*kept[_KEPT:], *folder.glob("*.new")]:
        path.unlink(missing_ok=True)


def _used(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0
