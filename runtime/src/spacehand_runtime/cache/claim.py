"""One computation for all processes that share a folder: a lock file with its owner's name and a lease."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Files held by this process. A forked child must let go of its copies, or they would keep the lock alive.
_held: dict[int, Claim] = {}
_guard = threading.Lock()
_beating = False
_news = threading.Event()

_log = logging.getLogger("spacehand_runtime.cache")


@dataclass(eq=False)
class Claim:
    """
    The right to compute, held until :meth:`release`, or until this process dies.

    The system frees the lock of a dead owner at once. An owner that lives but does not run (stopped, or stuck
    in code that lets no other thread run) is trusted for *lease* seconds after its last sign of life.
    """

    path: Path
    lease: float
    descriptor: int = -1
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    seen: str | None = None  # the token of the owner that was waited for

    def attempt(self, *, wall: Callable[[], float] = time.time) -> bool:
        """
        Try to get the claim, without waiting; True if it is ours.

        Where no file can be locked (the disk is full, the folder is gone), everybody may compute.
        """
        try:
            return self._attempt(wall)
        except OSError as error:
            _log.warning("Computing without regard to other processes: %s", error)
            return True

    def _attempt(self, wall: Callable[[], float]) -> bool:
        import fcntl  # only where there are files to lock

        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.utime(descriptor)  # a file that a failure left behind may be older than the lease
        except BlockingIOError:
            stat = os.fstat(descriptor)
            self.seen = str(_read(descriptor).get("owner") or "") or self.seen
            os.close(descriptor)
            if wall() - stat.st_mtime > self.lease:
                with suppress(FileNotFoundError):
                    if self.path.stat().st_ino == stat.st_ino:
                        self.path.unlink()  # the next attempt makes a new file, with a lock of its own
            return False
        except OSError:
            os.close(descriptor)
            raise
        if not _is_at(descriptor, self.path):  # its owner released it between our two calls
            os.close(descriptor)
            return False
        self.descriptor = descriptor
        return True

    def failure(self) -> str | None:
        """Return what the owner that we waited for reported as its failure; None if it did not."""
        record = _read(self.descriptor) if self.seen and self.descriptor >= 0 else {}
        return str(record["error"]) if self.seen and record.get("failed") == self.seen else None

    def announce(self) -> None:
        """Write down that we are the owner, and give signs of life from now on."""
        if self.descriptor < 0:
            return
        _write(self.descriptor, {"owner": self.token, "pid": os.getpid()})
        with _guard:
            _held[self.descriptor] = self
            _keep_beating()

    @property
    def is_ours(self) -> bool:
        """Nobody took it from us: the lease did not end, and what we compute was not invalidated."""
        return self.descriptor < 0 or _is_at(self.descriptor, self.path)

    def fail(self, error: BaseException) -> None:
        """Leave word for those who wait that the computation failed; if it was stopped, the next computes."""
        if not isinstance(error, Exception):
            self.release()
            return
        if self.descriptor >= 0:
            _write(self.descriptor, {"failed": self.token, "error": f"{type(error).__name__}: {error}"})
        self.let_go()

    def release(self) -> None:
        """Give the claim back, and remove its file."""
        with suppress(OSError):
            if self.descriptor >= 0 and _is_at(self.descriptor, self.path):
                self.path.unlink()
        self.let_go()

    def let_go(self) -> None:
        """Free the lock, and leave the file with what stands in it to the others who wait."""
        with _guard:
            _held.pop(self.descriptor, None)
            if self.descriptor >= 0:
                os.close(self.descriptor)
            self.descriptor = -1


def sweep(folder: Path, *, older_than: float = 0.0) -> int:
    """
    Remove the files in *folder* that nobody has locked, as their owners died; return the bytes freed.

    Those that were touched within the last *older_than* seconds stay.
    """
    import fcntl

    freed = 0
    for path in folder.iterdir():
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # gone by now, or nothing of ours
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            old = os.fstat(descriptor).st_mtime <= time.time() - older_than
            if old and _is_at(descriptor, path):
                freed += os.fstat(descriptor).st_size
                path.unlink()
        except (BlockingIOError, FileNotFoundError):
            pass
        finally:
            os.close(descriptor)
    return freed


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether *path* still is the file that was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> dict[str, Any]:
    try:
        record = json.loads(os.pread(descriptor, 1 << 16, 0) or b"{}")
    except ValueError:  # its owner is writing
        return {}
    return record if isinstance(record, dict) else {}


def _write(descriptor: int, record: dict[str, object]) -> None:
    with suppress(OSError):  # a full disk: who waits learns less, and computes
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(record).encode(), 0)


def _keep_beating() -> None:
    global _beating
    if _beating:
        _news.set()  # its lease may be shorter than those of the others
    else:
        _beating = True
        threading.Thread(target=_beat, name="spacehand-leases", daemon=True).start()


def _beat() -> None:
    """Renew every lease while there are any."""
    global _beating
    while True:
        _news.clear()
        with _guard:
            if not _held:
                _beating = False
                return
            for descriptor in _held:
                with suppress(OSError):
                    os.utime(descriptor)
            pause = min(claim.lease for claim in _held.values()) / 4
        _news.wait(min(pause, 5.0))


def _after_fork() -> None:
    global _guard, _beating, _news
    _guard, _beating, _news = threading.Lock(), False, threading.Event()
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)  # closing leaves the parent's lock as it is
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
