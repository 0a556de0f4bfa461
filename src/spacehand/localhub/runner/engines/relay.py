"""
Stands beside an app for as long as it runs: starts it, lets requests in, takes it down.

Runs as a program of its own, under the app's Python (3.8 or newer) and with the app's rights, so it uses the
standard library alone. Its first line of input is a JSON order; the end of its input, which is also what a
killed Hub leaves behind, stops the app. Its exit code is the app's, 128 + n after signal n.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Connect = Callable[[Callable[[], "Side"]], Awaitable[Any]]


class Side(asyncio.Protocol):
    """One end of a connection; what arrives goes to the other end, no faster than that one takes it."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.peer: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.peer.transport.write(data)

    def eof_received(self) -> bool:
        if self.peer is not None and self.peer.transport.can_write_eof():
            self.peer.transport.write_eof()
        return True  # the other direction goes on

    def pause_writing(self) -> None:
        if self.peer is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self.peer is not None:
            self.peer.transport.close()


class Entrance(Side):
    """The end that was connected to; what it reads before the other end is there is kept for it."""

    def __init__(self, connect: Connect) -> None:
        super().__init__()
        self._connect = connect
        self._task: Any = None
        self._early = bytearray()
        self._early_end = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._task = asyncio.get_running_loop().create_task(self._join())

    def data_received(self, data: bytes) -> None:
        if self.peer is not None:
            self.peer.transport.write(data)
            return
        self._early += data
        # Not at once in connection_made: Python before 3.11.4 forgets that.
        self.transport.pause_reading()

    def eof_received(self) -> bool:
        self._early_end = self.peer is None
        return super().eof_received()

    async def _join(self) -> None:
        peer = Side()
        peer.peer = self
        try:
            await self._connect(lambda: peer)
        except OSError:
            self.transport.close()  # the app does not listen yet, or no more
            return
        if self.transport.is_closing():
            peer.transport.close()
            return
        self.peer = peer
        peer.transport.write(bytes(self._early))
        if self._early_end:
            peer.transport.write_eof()
        self.transport.resume_reading()


async def let_in(listener: socket.socket, port: int) -> asyncio.AbstractServer:
    """Lead what connects to *listener* to *port*, where the app is expected."""
    loop = asyncio.get_running_loop()

    def connect(protocol: Callable[[], Side]) -> Awaitable[Any]:
        return loop.create_connection(protocol, "127.0.0.1", port)

    return await loop.create_unix_server(lambda: Entrance(connect), sock=listener)


async def let_out(port: int, path: str) -> asyncio.AbstractServer:
    """Lead what connects to *port* to the unix socket at *path*: the Hub, or its way to the web."""
    loop = asyncio.get_running_loop()

    def connect(protocol: Callable[[], Side]) -> Awaitable[Any]:
        return loop.create_unix_connection(protocol, path)

    return await loop.create_server(lambda: Entrance(connect), "127.0.0.1", port)


def start(order: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start the app in a process group of its own."""
    return subprocess.Popen(
        order["command"],
        env=order["environment"],
        cwd=order["folder"],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def tell(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to the app and all its children in the group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


async def stop_asked() -> None:
    """Return when the input ends, or when this process is asked to end."""
    loop = asyncio.get_running_loop()
    asked = loop.create_future()

    def ask() -> None:
        if not asked.done():
            asked.set_result(None)

    def read() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            ask()

    loop.add_reader(0, read)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    await asked


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Return the app's exit code once it has one."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, process.wait)


async def stand_by(order: dict[str, Any]) -> int:
    """Run the app to its end, or to the end of our input, and return its exit code."""
    if order.get("hub_port"):
        await let_out(order["hub_port"], order["hub_socket"])
    if order.get("web_port"):
        await let_out(order["web_port"], order["web_socket"])
    process = start(order)
    if order.get("listener") is not None:
        await let_in(socket.socket(fileno=order["listener"]), order["port"])
    app = asyncio.ensure_future(ended(process))
    asked = asyncio.ensure_future(stop_asked())
    await asyncio.wait([app, asked], return_when=asyncio.FIRST_COMPLETED)
    if not app.done():
        tell(process, signal.SIGTERM)
        await asyncio.wait([app], timeout=order["grace"])
    tell(process, signal.SIGKILL)  # also what the app left running
    code = await app
    return 128 - code if code < 0 else code


def read_order() -> dict[str, Any]:
    """Return the order: input up to the first newline, unbuffered, so that the end can be watched for."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            sys.exit(143)
        line += piece
    order: dict[str, Any] = json.loads(line)
    return order


def main() -> None:
    """Obey the order on the input."""
    order = read_order()
    code = asyncio.run(stand_by(order))
    sys.stdout.flush()
    os._exit(code)  # the thread that waits for the app would hold an ordinary exit back


if __name__ == "__main__":
    main()
