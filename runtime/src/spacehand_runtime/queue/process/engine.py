"""Worker processes, seen from the app: started, given one job at a time, stopped, and known when they die."""

from __future__ import annotations

import concurrent.futures
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from spacehand_runtime.container import oom_kills, resident
from spacehand_runtime.errors import JobFailedError, MemoryLimitError, UnsendableError, WorkerLostError
from spacehand_runtime.queue.outcome import Failure, Outcome, Result, Stop
from spacehand_runtime.queue.payload import Payload
from spacehand_runtime.queue.process import main_module
from spacehand_runtime.queue.process.wire import receive, send

_START = 60.0  # seconds a worker may take to be there; the modules to load first are part of it
_END = 5.0  # seconds until the end of a worker that hung up is known
_WATCH = 0.1  # seconds between two looks at what the workers hold
_PROGRAM = (
    "import sys; sys.path[:0] = [{path!r}]; "
    "from spacehand_runtime.queue.process.zygote import main; main({fd}, {pid})"
)

_NO_START, _PRINTED = "A worker process could not be started", "What it printed says why"

Report = Callable[[float, str], None]


class Exit(NamedTuple):
    """How a process ended: its status, negative for a signal, and the most memory it held, in bytes."""

    status: int
    peak: int


_KILLED = Exit(-signal.SIGKILL, 0)


class ProcessEngine:
    """Runs jobs in processes that are forked from one which was started before (see ``zygote``)."""

    def __init__(self, *, memory: int | None, preload: Sequence[str]) -> None:
        self._memory = memory
        self._preload = list(preload)
        self._lock = threading.Lock()
        self._zygote: Zygote | None = None
        self._workers: set[Worker] = set()

    def pack(self, function: Callable[..., object], arguments: tuple[object, ...]) -> Payload:
        """
        Return the call, ready to be sent; it does not change any more.

        Raises:
            UnsendableError: the function or an argument cannot be pickled.
        """
        try:
            return Payload.of((function, arguments))
        except Exception as error:
            name = getattr(function, "__qualname__", repr(function))
            msg = f"`{name}` and its arguments cannot be sent to another process: {error}"
            hint = "Submit a function from the top level of a module, with plain data, arrays or tables"
            raise UnsendableError(msg, hint=hint) from error

    def runner(self) -> Worker:
        """Start a worker."""
        with self._lock:
            if self._zygote is None or not self._zygote.alive:
                try:
                    self._zygote = Zygote(self._preload)
                except BrokenPipeError as error:
                    raise WorkerLostError(_NO_START, hint=_PRINTED) from error
                if self._memory is not None:
                    threading.Thread(target=self._watch, args=(self._zygote,), daemon=True).start()
            worker = Worker(self._zygote, self._memory)
            self._workers = {other for other in self._workers if other.alive} | {worker}
        return worker

    def close(self) -> None:
        """End all workers, at once."""
        with self._lock:
            if self._zygote:
                self._zygote.close()
            self._zygote = None

    def forget(self) -> None:
        """Let go of what a fork copied from the parent: it is the parent's."""
        self._lock = threading.Lock()
        if self._zygote:
            self._zygote.forget()
        for worker in self._workers:
            worker.hang_up()
        self._zygote, self._workers = None, set()

    def _watch(self, zygote: Zygote) -> None:
        """Stop each worker that holds more than a job may; most are stopped by the system before."""
        while not zygote.gone.wait(_WATCH):
            with self._lock:
                running = [worker for worker in self._workers if worker.alive]
            for worker in running:
                if (held := resident(worker.pid)) is not None and held > (self._memory or held):
                    worker.stop(Stop.MEMORY)


class Zygote:
    """The app's end of the process that forks."""

    def __init__(self, preload: list[str]) -> None:
        if not hasattr(socket, "send_fds") or not hasattr(os, "fork"):
            msg = "Worker processes need Linux or macOS"
            raise OSError(msg)
        ours, theirs = socket.socketpair()
        package = str(Path(__file__).parents[3])
        program = _PROGRAM.format(path=package, fd=theirs.fileno(), pid=os.getpid())
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the app, which then ends it in order
        )
        theirs.close()
        self._control = ours
        self._lock = threading.Lock()
        self._exits: dict[int, Future[Exit]] = {}
        self.gone = threading.Event()
        threading.Thread(target=self._listen, name="spacehand-workers", daemon=True).start()
        path = [str(Path(entry or ".").absolute()) for entry in sys.path]
        try:
            self._order("prepare", path, str(Path.cwd()), main_module.where(), preload)
        except BrokenPipeError:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        return not self.gone.is_set()

    def fork(self, memory: int | None, channel: socket.socket) -> None:
        """Ask for a worker that serves *channel*."""
        self._order("fork", memory, files=[channel.fileno()])

    def kill(self, pid: int) -> None:
        """End a worker and what it started; nothing happens if it is gone."""
        with suppress(OSError):
            self._order("kill", pid)

    def exit_of(self, pid: int) -> Future[Exit]:
        """Return where the end of the worker *pid* will be known."""
        with self._lock:
            ended = self._exits.setdefault(pid, Future())
            if self.gone.is_set() and not ended.done():  # nobody will tell any more
                ended.set_result(_KILLED)
            return ended

    def close(self) -> None:
        """End all workers, and the process itself; return when they are gone."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:  # a module that it loads right now holds it up
            self._process.kill()
            self._process.wait()
        self.gone.wait(_END)
        self._control.close()

    def forget(self) -> None:
        self._control.close()
        self._process.returncode = 0  # not our child, and nothing to wait for
        self.gone.set()

    def _order(self, *order: Any, files: Sequence[int] = ()) -> None:
        with self._lock:
            send(self._control, order, files)

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                (pid, status, peak), _ = receive(self._control)
                self.exit_of(pid).set_result(Exit(status, peak))
        self.gone.set()
        for pid in list(self._exits):
            self.exit_of(pid)


class Worker:
    """One process that runs one job at a time."""

    def __init__(self, zygote: Zygote, memory: int | None) -> None:
        self._zygote = zygote
        self._memory = memory
        self._stopped: Stop | None = None
        self._lock = threading.Lock()
        self._busy = False
        self._channel, theirs = socket.socketpair()
        try:
            with theirs:
                zygote.fork(memory, theirs)
            self._channel.settimeout(_START)
            (_, self.pid), _ = receive(self._channel)
            self._channel.settimeout(None)
        except (EOFError, OSError) as error:
            self._channel.close()
            raise WorkerLostError(_NO_START, hint=_PRINTED) from error
        self._alive = True
        self._poll = select.poll()
        self._poll.register(self._channel, select.POLLIN)

    @property
    def alive(self) -> bool:
        """It waits for a job, or runs one; an idle one says nothing, but for the end of its connection."""
        with self._lock:
            return self._alive and (self._busy or not self._poll.poll(0))

    def reserve(self) -> None:
        """Get ready for :meth:`run`: from now on, :meth:`stop` is meant for what it will do."""
        with self._lock:
            self._busy, self._stopped = True, None

    def run(self, call: Payload, report: Report) -> Outcome:
        """Return what came of *call*; a lost worker is an outcome too, and it is then not alive."""
        kills = oom_kills()
        try:
            send(self._channel, (call.sizes, call.data), [call.memory.number] if call.memory else [])
            while True:
                message, files = receive(self._channel)
                if message[0] != "progress":
                    break
                report(*message[1:])
        except (EOFError, OSError):
            return self._lost(kills)
        finally:
            with self._lock:
                self._busy = False
                self._alive = self._stopped is None  # its end is on the way, though it was faster
        if message[0] == "memory":
            self.hang_up()
            return self._too_big()
        sizes, data = message[-2:]
        payload = None if sizes is None else Payload(sizes, data, files[0] if files else None)
        if message[0] == "result" and payload is not None:
            return Result(payload)
        return Failure(JobFailedError, message[1], text=message[2], payload=payload)

    def stop(self, why: Stop) -> None:
        """End the job that runs, and the process with it."""
        with self._lock:
            if not self._busy:
                return
            self._stopped = self._stopped or why
        self._zygote.kill(self.pid)

    def hang_up(self) -> None:
        """Let the process end when it has nothing to do."""
        with self._lock:
            self._alive = False
        self._channel.close()

    def _lost(self, kills: int) -> Outcome:
        self.hang_up()
        try:
            ended = self._zygote.exit_of(self.pid).result(_END)
        except concurrent.futures.TimeoutError:  # before Python 3.11, not the one that people know
            ended = _KILLED
        if self._stopped is Stop.MEMORY:
            return self._too_big()
        if self._stopped is not None:
            return self._stopped.outcome()
        if ended.status == -signal.SIGKILL and oom_kills() > kills:
            msg = "The job needed more memory than this server has, and was stopped by the system"
            return Failure(MemoryLimitError, msg, hint="Try a smaller input")
        if ended.status < 0 and self._memory and ended.peak > 0.9 * self._memory:
            return self._too_big()
        how = signal.Signals(-ended.status).name if ended.status < 0 else f"status {ended.status}"
        msg = f"The process that computed this job ended with {how}"
        return Failure(WorkerLostError, msg, lost=True)

    def _too_big(self) -> Outcome:
        limit = f"the {(self._memory or 0) / 1e6:.0f} MB that a job may take" if self._memory else "there is"
        msg = f"The job needed more memory than {limit}, and was stopped; other jobs were not disturbed"
        return Failure(MemoryLimitError, msg, hint="Try a smaller input")
