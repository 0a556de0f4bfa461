"""What runs in a worker: one job after the other, until the queue hangs up."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any

from spacehand_runtime.queue.payload import Payload
from spacehand_runtime.queue.process.main_module import MainModule
from spacehand_runtime.queue.process.wire import receive, send
from spacehand_runtime.queue.progress import attach


def serve(channel: socket.socket, main: MainModule, memory: int | None) -> None:
    """Run the jobs that come over *channel*, each with at most *memory* bytes of its own."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a job's print is seen at once
    _limit_memory(memory)
    send(channel, ("ready", os.getpid()))
    while True:
        try:
            (sizes, data), files = receive(channel)
        except (EOFError, OSError):
            return
        call = Payload(sizes, data, files[0] if files else None)
        if not _run(channel, call, main):
            return


def _run(channel: socket.socket, call: Payload, main: MainModule) -> bool:
    """Run one job and send what came of it; False if this process had better end."""
    attach(lambda fraction, text: send(channel, ("progress", fraction, text)))
    try:
        function, arguments = call.load(main.find_class)
        result = Payload.of(function(*arguments))
    except MemoryError:
        send(channel, ("memory",))
        return False
    except BaseException as error:
        _fail(channel, error)
        return True
    finally:
        attach(None)
    _send(channel, ("result",), result)
    return True


def _fail(channel: socket.socket, error: BaseException) -> None:
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    brief = f"{type(error).__name__}: {error}"
    if not isinstance(error, Exception):
        send(channel, ("error", brief, text, None, None))
        return
    try:
        payload = Payload.of(error)
    except Exception:
        send(channel, ("error", brief, text, None, None))
        return
    _send(channel, ("error", brief, text), payload)


def _send(channel: socket.socket, message: tuple[Any, ...], payload: Payload) -> None:
    files = [payload.memory.number] if payload.memory else []
    send(channel, (*message, payload.sizes, payload.data), files)


def _limit_memory(memory: int | None) -> None:
    """Let allocations beyond *memory* fail in this process, where the system can do that."""
    if memory is None or not sys.platform.startswith("linux"):
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    # Private memory that may be written to, touched or not: what a job allocates, not its libraries.
    soft = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
