"""
The process that workers are forked from: one thread, no work of its own, modules loaded once for all.

It is started from an interpreter of its own and not forked from the app, so no lock or thread of a web server
is in it. When the app is gone, killed even, it ends every worker and then itself.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from spacehand_runtime.queue.payload import Descriptor
from spacehand_runtime.queue.process.main_module import MainModule
from spacehand_runtime.queue.process.wire import receive, send
from spacehand_runtime.queue.process.worker import serve

_LOOK = 1.0  # seconds between two looks whether the app still lives
_PR_SET_PDEATHSIG = 1
_OOM_SCORE = "1000"  # if the system must end a process of this container, then a worker and not the app


def main(descriptor: int, app: int) -> None:
    """Fork a worker whenever *descriptor* asks for one; return when the process *app* is gone."""
    zygote = _Zygote(socket.socket(fileno=descriptor), app)
    try:
        zygote.serve()
    finally:
        zygote.end_all()


class _Zygote:
    def __init__(self, control: socket.socket, app: int) -> None:
        self._control = control
        self._app = app
        self._workers: set[int] = set()
        self._wake, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._main = MainModule(None)
        with suppress(OSError):
            self._libc = ctypes.CDLL(None)

    def serve(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the app's; it hangs up when it ends
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        while os.getppid() == self._app:
            ready = [key.fileobj for key, _ in self._selector.select(_LOOK)]
            if self._wake in ready:
                self._wake.recv(4096)
            self._reap()
            if self._control in ready:
                try:
                    (order, *arguments), files = receive(self._control)
                except (EOFError, OSError):
                    return
                getattr(self, f"_{order}")(*arguments, *files)
                files.clear()  # or the end of a worker would not be seen by the app

    def end_all(self) -> None:
        """End the workers and what they started; return when they are gone."""
        for worker in self._workers:
            self._kill(worker)
        for worker in self._workers:
            with suppress(ChildProcessError):
                os.waitpid(worker, 0)

    def _prepare(
        self, path: list[str], folder: str, main: tuple[str, str] | None, modules: list[str]
    ) -> None:
        """Look for modules where the app does, and load *modules* once for all workers."""
        sys.path[:] = path
        with suppress(OSError):
            os.chdir(folder)
        self._main = MainModule(main)
        for module in modules:
            try:
                importlib.import_module(module)
            except Exception:
                traceback.print_exc()

    def _fork(self, memory: int | None, channel: Descriptor) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        worker = os.fork()
        if worker:
            self._workers.add(worker)
            return
        status = 1
        try:
            self._become_worker()
            with socket.socket(fileno=os.dup(channel.number)) as connection:
                del channel
                serve(connection, self._main, memory)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
            os._exit(status)

    def _become_worker(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for ours in (self._selector, self._control, self._wake, self._waker):
            ours.close()
        os.setsid()  # what a job starts goes down with it
        parent = os.getppid()
        if sys.platform.startswith("linux"):
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            with suppress(OSError):
                Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
        if os.getppid() != parent:  # it died before we asked for the signal
            os._exit(1)
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed()  # a copy would draw the same numbers in every worker

    def _kill(self, worker: int) -> None:
        if worker not in self._workers:
            return  # reaped: its number may be another's by now
        with suppress(OSError):
            os.killpg(worker, signal.SIGKILL)
        with suppress(OSError):
            os.kill(worker, signal.SIGKILL)  # it may not lead its group yet

    def _reap(self) -> None:
        for worker in list(self._workers):
            ended, status, usage = os.wait4(worker, os.WNOHANG)
            if ended:
                self._workers.discard(worker)
                with suppress(OSError):
                    os.killpg(worker, signal.SIGKILL)  # what it started and left behind
                peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
                with suppress(OSError):  # the app is gone, which is seen next
                    send(self._control, (worker, os.waitstatus_to_exitcode(status), peak))
