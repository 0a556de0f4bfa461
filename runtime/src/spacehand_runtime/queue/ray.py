"""Jobs on a Ray cluster: the same queue, with the work on other machines."""

from __future__ import annotations

import atexit
import os
import secrets
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from spacehand_runtime.errors import (
    JobFailedError,
    MemoryLimitError,
    QueueProblem,
    UnsendableError,
    WorkerLostError,
)
from spacehand_runtime.queue.outcome import Failure, Outcome, Result, Stop
from spacehand_runtime.queue.payload import Payload
from spacehand_runtime.queue.progress import attach

_LOOK = 0.25  # seconds between two looks at a job's progress
_START = 60.0  # seconds until a cluster that does not answer is given up


class RayEngine:
    """
    Runs each job as a task of the cluster that ``RAY_ADDRESS`` names; without it, of one on this machine.

    A cluster of our own is closed to others: it has a token, made for it and readable by this user only.
    """

    def __init__(self, *, workers: int, memory: int | None) -> None:
        self._workers = workers
        self._memory = memory
        self._lock = threading.Lock()
        self._cluster: _Cluster | None = None
        if find_spec("ray") is None:
            msg = "The engine `ray` needs Ray"
            raise QueueProblem(msg, hint="Add `ray` to the app's requirements")
        if not os.environ.get("RAY_ADDRESS"):
            _make_token()

    def pack(self, function: Callable[..., object], arguments: tuple[object, ...]) -> Payload:
        """
        Return the call as it is now; functions of the app's own file go along by value.

        Raises:
            UnsendableError: the function or an argument cannot be pickled.
        """
        try:
            return Payload.of((function, arguments), import_module("ray.cloudpickle").dumps)
        except Exception as error:
            name = getattr(function, "__qualname__", repr(function))
            msg = f"`{name}` and its arguments cannot be sent to another machine: {error}"
            raise UnsendableError(msg) from error

    def runner(self) -> RayRunner:
        """Return one of the places for a task; the first connects to the cluster."""
        with self._lock:
            if self._cluster is None or not self._cluster.ray.is_initialized():
                self._cluster = _Cluster(self._workers)  # several places, one connection
            return RayRunner(self._cluster, self._memory)

    def close(self) -> None:
        """Leave the cluster; one of our own ends."""
        with self._lock:
            if self._cluster:
                self._cluster.leave()
            self._cluster = None

    def forget(self) -> None:
        """Let go of the parent's connection: Ray does not survive a fork."""
        self._lock, self._cluster = threading.Lock(), None


class RayRunner:
    """One task at a time."""

    def __init__(self, cluster: _Cluster, memory: int | None) -> None:
        self._cluster = cluster
        self._memory = memory
        self._lock = threading.Lock()
        self._task: Any = None
        self._stopped: Stop | None = None

    @property
    def alive(self) -> bool:
        """The cluster is there."""
        return bool(self._cluster.ray.is_initialized())

    def reserve(self) -> None:
        """Get ready for :meth:`run`."""
        with self._lock:
            self._stopped = None

    def run(self, call: Payload, report: Callable[[float, str], None]) -> Outcome:
        """Return what came of *call*, wherever it ran; Ray passes arguments above 100 kB by reference."""
        ray, name = self._cluster.ray, secrets.token_hex(8)
        function, arguments = call.load()
        wanted: dict[str, Any] = {"max_retries": 0, "name": getattr(function, "__qualname__", "job")}
        if self._memory:
            wanted["memory"] = self._memory
        with self._lock:
            if self._stopped:
                return self._stopped.outcome()
            task = self._task = self._cluster.task.options(**wanted).remote(
                self._cluster.board, name, function, *arguments
            )
        try:
            while not ray.wait([task], timeout=_LOOK)[0]:
                if seen := self._cluster.progress(name):
                    report(*seen)
            if (seen := self._cluster.progress(name, last=True)) and seen[0]:
                report(*seen)
            return Result(Payload.of(ray.get(task), import_module("ray.cloudpickle").dumps))
        except Exception as error:
            return self._failure(error)
        finally:
            with self._lock:
                self._task = None

    def stop(self, why: Stop) -> None:
        """End the task's process."""
        with self._lock:
            self._stopped = self._stopped or why
            if self._task is not None:
                with suppress(Exception):  # it may be over
                    self._cluster.ray.cancel(self._task, force=True)

    def hang_up(self) -> None:
        """Nothing to do: a place is no process."""

    def _failure(self, error: Exception) -> Failure:
        kinds = self._cluster.ray.exceptions
        cause = getattr(error, "cause", error)
        if self._stopped is not None:
            return self._stopped.outcome()
        if isinstance(error, kinds.OutOfMemoryError) or isinstance(cause, MemoryError):
            msg = "The job needed more memory than there is, and was stopped"
            return Failure(MemoryLimitError, msg, hint="Try a smaller input")
        if not isinstance(error, kinds.RayTaskError):
            msg = f"The process or machine that computed this job was lost: {_first_line(error)}"
            return Failure(WorkerLostError, msg, lost=True)
        brief = f"{type(cause).__name__}: {cause}"
        try:
            payload = Payload.of(cause, import_module("ray.cloudpickle").dumps)
        except Exception:
            payload = None
        return Failure(JobFailedError, brief, text=str(error), payload=payload)


class _Cluster:
    """A connection to Ray, and the board on which jobs there write how far they are."""

    def __init__(self, workers: int) -> None:
        self.ray = ray = import_module("ray")
        ours = not os.environ.get("RAY_ADDRESS")
        self._joined = not ray.is_initialized()
        # Without "local", Ray would join any cluster that it finds on this machine.
        options = {"address": "local", "num_cpus": workers, "include_dashboard": False} if ours else {}
        try:
            ray.init(ignore_reinit_error=True, log_to_driver=True, configure_logging=False, **options)
        except Exception as error:
            msg = f"The Ray cluster cannot be reached: {_first_line(error)}"
            hint = "Give this process the cluster's RAY_ADDRESS, RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH"
            raise QueueProblem(msg, hint=hint) from error
        self.task = ray.remote(_run)
        here = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=True
        )
        self.board = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()

    def progress(self, name: str, *, last: bool = False) -> tuple[float, str] | None:
        """Return what the job called *name* reported last; it is forgotten with the *last* look."""
        ask = self.board.take if last else self.board.look
        try:
            seen = self.ray.get(ask.remote(name), timeout=_START)
        except self.ray.exceptions.RayError:  # the board's machine is gone: the job may well be there
            return None
        return None if seen is None else (seen[0], seen[1])

    def leave(self) -> None:
        if self._joined:
            self.ray.shutdown()


class Board:
    """How far the running jobs are, by name; an actor on the cluster."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, str]] = {}

    def put(self, name: str, fraction: float, text: str) -> None:
        """Write down how far the job called *name* is."""
        self._seen[name] = (fraction, text)

    def look(self, name: str) -> tuple[float, str] | None:
        """Return what was written down last for *name*."""
        return self._seen.get(name)

    def take(self, name: str) -> tuple[float, str] | None:
        """Do as :meth:`look`, and forget it."""
        return self._seen.pop(name, None)


def _run(board: Any, name: str, function: Callable[..., object], *arguments: object) -> object:
    """Call *function* in a process of the cluster."""
    attach(lambda fraction, text: board.put.remote(name, fraction, text))
    try:
        return function(*arguments)
    finally:
        attach(None)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _make_token() -> None:
    """
    Let a cluster that is started here ask for a token that is known here only; what is set already stays.

    Ray reads where it is when it is first imported. If it was before, a cluster has the token that Ray itself
    keeps for this user.
    """
    if {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ) or "ray" in sys.modules:
        return
    descriptor, path = tempfile.mkstemp(prefix="spacehand-ray-")  # readable by this user only
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": path}
    atexit.register(Path(path).unlink, missing_ok=True)
