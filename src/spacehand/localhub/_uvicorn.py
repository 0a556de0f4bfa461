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

import uvicorn

from spacehand.localhub.accounts.store import write_private
from spacehand.localhub.app import create_app
from spacehand.localhub.hub import LocalHub
from spacehand.localhub.server import ServerOptions, default_owner, listen
from spacehand.localhub.store.place import Place
from spacehand.localhub.wire_time import from_unix

_GRACE_SECONDS = 3  # for requests under way when the Hub stops


def run(options: ServerOptions, ready: Callable[[str], None]) -> None:
    """Run a Hub as `server.serve` says."""
    listener = listen(options.port)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with contextlib.closing(listener):
        hub = LocalHub.open(
            Place(options.data),
            owner=options.owner or default_owner(),
            endpoint=url,
            any_python=options.any_python,
        )
        with contextlib.closing(hub):
            HubServer(hub, ready).run(sockets=[listener])


class HubServer(uvicorn.Server):
    """
    Uvicorn that also listens on the Hub's unix socket, through which sandboxed Spaces reach it.

    It writes ``hub.json`` once it answers, and on SIGTERM or Ctrl-C stops the Spaces before the requests
    that follow their logs, which would otherwise never end.
    """

    def __init__(self, hub: LocalHub, ready: Callable[[str], None]) -> None:
        config = uvicorn.Config(
            create_app(hub),
            loop="uvloop",
            http="httptools",
            ws="websockets-sansio",
            log_level="warning",
            access_log=False,
            date_header=False,  # ours is accurate
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        super().__init__(config)
        self._hub = hub
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen everywhere, then say so."""
        await super().startup(sockets)
        path = self._hub.place.socket
        path.unlink(missing_ok=True)
        self.servers.append(await asyncio.get_running_loop().create_unix_server(self._protocol, str(path)))
        path.chmod(0o666)  # the folder above is closed to others; a sandboxed uid 1000 gets this file alone
        write_private(self._hub.place.description, json.dumps(self._description()))
        self._ready(self._hub.endpoint)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop cleanly, leaving no trace that says the Hub runs."""
        self._hub.place.description.unlink(missing_ok=True)
        await self._hub.stop()
        await super().shutdown(sockets)
        self._hub.place.socket.unlink(missing_ok=True)

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
