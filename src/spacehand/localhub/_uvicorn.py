"""The local Hub under uvicorn: a loopback port and a unix socket, one application."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from spacehand.errors import PortInUseError
from spacehand.localhub.accounts.store import write_private
from spacehand.localhub.app import create_app, is_stream
from spacehand.localhub.hub import LocalHub, already_running
from spacehand.localhub.server import ServerOptions, default_owner, listen, running
from spacehand.localhub.store.place import Place
from spacehand.localhub.wire_time import from_unix

_GRACE_SECONDS = 3  # for requests under way when the Hub stops
_BACKLOG = 2048  # connections that wait to be accepted


def run(options: ServerOptions, ready: Callable[[str], None]) -> None:
    """Run a Hub as `server.serve` says."""
    place = Place(options.data)
    with contextlib.closing(_listen(options)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        owner = options.owner or default_owner()
        hub = LocalHub.open(
            place,
            owner=owner,
            endpoint=url,
            any_python=options.any_python,
            unsafe_builds=options.unsafe_builds,
            pretend_hardware=options.pretend_hardware,
            egress=options.egress,
            engine=options.engine,
        )
        with contextlib.closing(hub), contextlib.closing(listen_inside(place.socket)) as inner:
            HubServer(hub, inner, ready).run(sockets=[listener])


def listen_inside(path: Path) -> socket.socket:
    """Return a unix socket that listens at *path*; everybody who can reach the file may use it."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # An address of this kind holds 107 bytes at most; by its folder's descriptor it is always short.
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    path.chmod(0o666)  # the data folder is closed to others; a sandboxed uid 1000 is given this file alone
    listener.listen(_BACKLOG)
    return listener


class HubServer(uvicorn.Server):
    """
    Uvicorn that also serves the unix socket *inner*, through which sandboxed Spaces reach the Hub.

    It writes ``hub.json`` once it answers. On SIGTERM or Ctrl-C it first ends the streams of logs and events,
    which would never end by themselves.
    """

    def __init__(self, hub: LocalHub, inner: socket.socket, ready: Callable[[str], None]) -> None:
        self._front = create_app(hub)
        config = uvicorn.Config(
            self._front,
            loop="uvloop",
            http="httptools",
            ws="websockets-sansio",
            ws_max_size=1 << 30,  # bytes; a Space's own business
            log_level="warning",
            access_log=False,
            date_header=False,  # ours is accurate
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        super().__init__(config)
        self._hub = hub
        self._inner = inner
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve both sockets, then say so."""
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_unix_server(self._protocol, sock=self._inner))
        write_private(self._hub.place.description, json.dumps(self._description()))
        write_private(self._hub.place.last_port, str(urlsplit(self._hub.endpoint).port))
        self._ready(self._hub.endpoint)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop cleanly, leaving no trace that says the Hub runs."""
        self._hub.place.description.unlink(missing_ok=True)
        for server in self.servers:
            server.close()  # who comes back from here on shall meet the next Hub, not the end of this one
        self._hang_up()
        self._front.end_streams()
        await self._hub.stop()
        await super().shutdown(sockets)
        self._hub.place.socket.unlink(missing_ok=True)

    def _hang_up(self) -> None:
        """Break the streams of logs and events off: whoever follows one then comes back to the next Hub."""
        for connection in list(self.server_state.connections):
            scope = getattr(connection, "scope", None)
            if scope is not None and is_stream(scope):
                connection.transport.abort()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End with status 0 on SIGTERM and Ctrl-C; uvicorn itself would raise the signal again."""
        loop = asyncio.get_running_loop()
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signal_number, self.handle_exit, signal_number, None)
        yield

    def _protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    def _description(self) -> dict[str, object]:
        return {
            "url": self._hub.endpoint,
            "pid": os.getpid(),
            "started": from_unix(self._hub.started),
            "token_file": str(Path(self._hub.place.token_file).absolute()),
        }


def _listen(options: ServerOptions) -> socket.socket:
    try:
        listener = listen(options.port)
    except PortInUseError:
        if running(options.data) is not None:
            raise already_running(Place(options.data)) from None
        raise
    listener.listen(_BACKLOG)  # who connects from now on waits until the Hub is up
    return listener
