"""Functions that tests submit: a worker imports them from here, without pytest."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from spacehand_runtime import Queue, report_progress


def double(number: int) -> int:
    return number * 2


def process() -> int:
    return os.getpid()


def wait_for(path: str) -> str:
    """Run until *path* exists."""
    while not Path(path).exists():
        time.sleep(0.005)
    return path


def note(path: str, word: str) -> None:
    """Write down, in the order of calls, that this was called."""
    with Path(path).open("a") as file:
        file.write(f"{word}\n")


def half_way(path: str) -> None:
    report_progress(0.5, "half of it")
    wait_for(path)


def die_once(path: str) -> str:
    """Die as if the system ended this process, unless *path* says that this has happened."""
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def eat(size: int) -> int:
    return len(bytearray(size))


def eat_slowly() -> None:
    """Take memory that no allocation limit counts, until somebody ends this process."""
    import mmap

    kept = []
    while True:
        kept.append(mmap.mmap(-1, 1 << 24))
        kept[-1].write(b"x" * (1 << 24))


class OddError(Exception):
    """An exception that can be pickled, and cannot be made again."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


def fail(kind: str) -> None:
    if kind == "odd":
        raise OddError("one", "two")
    if kind == "exit":
        sys.exit("enough")
    raise ValueError("no such analysis")


def hold_the_lock(letters: int) -> None:
    """Spend time in C code that lets no other thread of this process run."""
    re.match(r"(a+)+$", "a" * letters + "b")


def leave_a_child(path: str) -> None:
    """Start a process that outlives its parent, and run on."""
    child = subprocess.Popen(["sleep", "300"])
    Path(path).write_text(str(child.pid))
    time.sleep(300)


def submit_another() -> None:
    Queue().submit(double, 1)


def ones(count: int) -> object:
    import numpy as np

    return np.ones(count)


def total(array: object) -> float:
    return float(array.sum())  # type: ignore[attr-defined]
