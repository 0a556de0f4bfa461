"""What a killed Hub's git still does: it must not move a branch behind the next Hub's back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psutil

from spacehand.localhub.git.command import MARK

if TYPE_CHECKING:
    from spacehand.localhub.store.place import Place

_END_SECONDS = 10.0  # a process that writes to a slow disk ends only when that is done


def end_strays(place: Place) -> None:
    """
    End every git process that a Hub has started in *place*, and return when they are gone.

    Only before the Hub serves, while none is its own.
    """
    strays = list(_strays(place))
    for process in strays:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(strays, timeout=_END_SECONDS)


def _strays(place: Place) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["name"]):
        # By name first: asking every process of a machine for its environment takes long.
        if (process.info["name"] or "").startswith("git") and _is_at_work(process, str(place.repos)):
            yield process


def _is_at_work(process: psutil.Process, folder: str) -> bool:
    try:
        environment = process.environ()
        if MARK not in environment:  # somebody else's git
            return False
        return any(
            folder in trace for trace in (environment.get("GIT_DIR", ""), *process.cmdline(), process.cwd())
        )
    except (psutil.Error, OSError):
        return False  # gone, or not ours to ask
