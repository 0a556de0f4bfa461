"""One loopback port for each Space, all answered by the same app in the same event loop."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from spacehand.localhub.repos.store import Repo
    from spacehand.localhub.spaces.store import Spaces

_LAST_WORDS_SECONDS = 0.2
_HANG_UP_SECONDS = 2.0

log = logging.getLogger(__name__)


class Listeners:
    """
    The ports of all Spaces; *app* finds the port it was asked on in ``scope["server"]``.

    A socket listens as soon as its port is known; connections wait in the kernel until the loop accepts them.
    """

    def __init__(self, spaces: Spaces, app: ASGIApp) -> None:
        self._spaces = spaces
        self._app = app
        self._opening = threading.Lock()
        self._sockets: dict[str, socket.socket] = {}
        self._uids: dict[int, str] = {}
        self._moved: dict[str, int] = {}  # the port that another program holds, by uid
        self._servers: dict[str, asyncio.Server] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._protocols: Any = None

    def start(self, spaces: Iterable[Repo]) -> None:
        """Listen for all *spaces*, and accept what comes on every port from now on."""
        self._loop = asyncio.get_running_loop()
        self._protocols = _Protocols(self._app)
        for uid in list(self._sockets):
            self._accept(uid)
        for repo in spaces:
            self.port(repo)

    async def stop(self) -> None:
        """Close every port and every connection on it."""
        self._loop = None
        for task in self._tasks:
            task.cancel()
        for uid in list(self._sockets):
            self._close(uid)
        if self._protocols is not None:
            await self._protocols.close()

    def port(self, repo: Repo) -> int:
        """Return the port of *repo*, which listens; callable from any thread."""
        with self._opening:
            if repo.uid not in self._sockets:
                self._open(repo)
            port: int = self._sockets[repo.uid].getsockname()[1]
        return port

    def uid(self, port: int) -> str | None:
        """Return the uid of the Space that listens on *port*."""
        return self._uids.get(port)

    def close(self, repo: Repo) -> None:
        """Listen no more for *repo*."""
        self._close(repo.uid)

    def differences(self, repo: Repo) -> list[str]:
        """Say so when *repo* had to change its port."""
        if repo.uid not in self._moved:
            return []
        return [
            f"Port {self._moved[repo.uid]} was taken by another program; the app answers on {self.port(repo)}"
        ]

    def _open(self, repo: Repo) -> None:
        port = self._spaces.port(repo)
        try:
            bound = _bind(port)
        except OSError:
            self._moved[repo.uid] = port
            bound = _bind(self._spaces.move_port(repo))
            fresh = bound.getsockname()[1]
            log.warning("%s: port %s is taken by another program, it is %s now", repo.id, port, fresh)
        self._sockets[repo.uid] = bound
        self._uids[bound.getsockname()[1]] = repo.uid
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._accept, repo.uid)

    def _accept(self, uid: str) -> None:
        if uid in self._sockets and uid not in self._servers and self._loop is not None:
            task = self._loop.create_task(self._serve(uid))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, uid: str) -> None:
        self._servers[uid] = await asyncio.get_running_loop().create_server(
            self._protocols, sock=self._sockets[uid]
        )

    def _close(self, uid: str) -> None:
        bound = self._sockets.pop(uid, None)
        if bound is not None:
            self._uids.pop(bound.getsockname()[1], None)
        if (server := self._servers.pop(uid, None)) is not None:
            server.close()
        if bound is not None:
            bound.close()


class _Protocols:
    """Makes uvicorn's connections without its Server, which would want the signals for itself."""

    def __init__(self, app: ASGIApp) -> None:
        import uvicorn
        from uvicorn.server import ServerState

        from spacehand.localhub.runner.gateway.gathering import GatheringProtocol

        self._config = uvicorn.Config(
            app,
            interface="asgi3",
            http=GatheringProtocol,
            ws="websockets-sansio",
            ws_max_size=1 << 30,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
        )
        self._config.load()
        self._state = ServerState()

    def __call__(self) -> asyncio.Protocol:
        kind: Any = self._config.http_protocol_class
        made: asyncio.Protocol = kind(config=self._config, server_state=self._state, app_state={})
        return made

    async def close(self) -> None:
        """Let requests under way end for a moment; then hang up, and each ends as if its caller had left."""
        for connection in list(self._state.connections):
            connection.shutdown()
        await self._ended(_LAST_WORDS_SECONDS)
        for connection in list(self._state.connections):
            connection.transport.abort()
        await self._ended(_HANG_UP_SECONDS)
        for task in list(self._state.tasks):
            task.cancel()

    async def _ended(self, within: float) -> None:
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=within)


def _bind(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        bound.listen(1024)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound
