"""Messages between our processes, over a Unix socket: plain data, and open files that go along."""

from __future__ import annotations

import marshal
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

from spacehand_runtime.queue.payload import Descriptor

_HEAD = struct.Struct("!I")  # the length of the message, in bytes
_CLOSED_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


def send(channel: socket.socket, message: Any, files: Sequence[int] = ()) -> None:
    """
    Send *message* (numbers, texts, bytes, tuples, lists) and the open *files*.

    Raises:
        OSError: nobody listens any more.
    """
    body = marshal.dumps(message)
    frame = _HEAD.pack(len(body)) + body
    done = socket.send_fds(channel, [frame], list(files)) if files else 0
    channel.sendall(frame[done:])


def receive(channel: socket.socket) -> tuple[Any, list[Descriptor]]:
    """
    Wait for a message; return it and the open files that came along.

    Raises:
        EOFError: the other side is gone.
    """
    head, numbers, _, _ = socket.recv_fds(channel, _HEAD.size, 4, _CLOSED_ON_EXEC)
    files = [Descriptor(number) for number in numbers]
    for number in numbers:
        os.set_inheritable(number, False)
    head += _exactly(channel, _HEAD.size - len(head))
    return marshal.loads(_exactly(channel, _HEAD.unpack(head)[0])), files  # noqa: S302 - as above


def _exactly(channel: socket.socket, size: int) -> bytes:
    kept = bytearray(size)
    view = memoryview(kept)
    while view.nbytes:
        count = channel.recv_into(view)
        if not count:
            raise EOFError
        view = view[count:]
    return bytes(kept)
