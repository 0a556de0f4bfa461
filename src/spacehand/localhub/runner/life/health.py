"""When an app that was started counts as running."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from spacehand.localhub.runner.address import Address, FolderAddress, PortAddress, SocketAddress
from spacehand.localhub.runner.engines._protocol import APP_PORT, App, Listener

_ANSWER_SECONDS = 10.0  # that one answer may take
# How long a wrong listener is watched before it counts: an app may well open a helper's port first,
# but then it is at work, and not waiting for requests.
_WRONG_SECONDS = 3.0
_IDLE_SHARE = 0.5  # of one processor
# The package `spaces`, which every Gradio Space gets, listens here for the Hub's hot reload: nobody's app.
_HELPER_PORTS = frozenset({7887})


class UnhealthyAppError(Exception):
    """The app will not come up; *message* is what the Hub shows."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def summary(self) -> str:
        """The message in one line."""
        return self.message.splitlines()[0]


@dataclass(frozen=True, slots=True)
class Pace:
    """The times that decide; tests pass shorter ones."""

    between_looks: float = 0.05
    between_answers: float = 0.2
    between_port_looks: float = 0.5  # each one takes time from an app that is busy starting
    wrong_listener: float = _WRONG_SECONDS
    between_measures: float = 1.0


@dataclass
class HealthWatch:
    """
    Waits for an app to come up.

    One good answer is no proof: Gradio gives one and may then die of its own start-up request. So the app has
    to answer twice, some time apart, and to be alive after that.
    """

    app: App
    limit: float  # seconds until the start counts as failed
    path: str = "/"
    pace: Pace = Pace()
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def wait(self) -> None:
        """
        Return once the app is healthy.

        Raises:
            UnhealthyAppError: it listens where nobody will ask, or the time is up.
        """
        deadline = self.now() + self.limit
        wrong = _WrongListener(self)
        while self.now() < deadline:
            if await answers(self.app.address, self.path):
                await self.sleep(self.pace.between_answers)
                if await answers(self.app.address, self.path):
                    self._refuse_loopback(await asyncio.to_thread(self.app.listeners))
                    return
            else:
                await wrong.look()
            await self.sleep(self.pace.between_looks)
        raise UnhealthyAppError(f"Launch timed out, workload was not healthy after {_span(self.limit)}")

    @property
    def is_among_us(self) -> bool:
        """The app has this machine's network, so a port of its own, and rightly binds the loopback."""
        return isinstance(self.app.address, PortAddress)

    @property
    def port(self) -> int:
        """Where the app is expected."""
        return getattr(self.app.address, "port", APP_PORT)

    def _refuse_loopback(self, listeners: frozenset[Listener]) -> None:
        """A container's own loopback cannot be reached from outside; the sandbox's could, so ask."""
        if self.is_among_us:
            return
        here = [one for one in listeners if one.port == self.port]
        if here and all(one.is_loopback for one in here):
            raise UnhealthyAppError(
                f"The app listens on {here[0]}, but the Space expects 0.0.0.0:{self.port}: "
                "on 127.0.0.1 nobody outside reaches it"
            )


class _WrongListener:
    """Watches for an app that sits and waits at a port where no request will come."""

    def __init__(self, watch: HealthWatch) -> None:
        self._watch = watch
        self._seen: frozenset[Listener] = frozenset()
        self._since = 0.0
        self._cpu = 0.0
        self._looked = float("-inf")

    async def look(self) -> None:
        """
        Look once.

        Raises:
            UnhealthyAppError: the app has been idle behind a wrong port for long enough.
        """
        watch = self._watch
        if watch.now() - self._looked < watch.pace.between_port_looks:
            return
        self._looked = watch.now()
        found = await asyncio.to_thread(watch.app.listeners)
        if any(one.port == watch.port for one in found):
            self._seen = frozenset()
            return
        if watch.is_among_us and any(one.port == APP_PORT for one in found):
            watch.app.move_to(APP_PORT)  # written into the app; on the Hub that is right
            return
        cpu = await asyncio.to_thread(watch.app.cpu_seconds)
        elapsed = watch.now() - self._since
        if not found or found != self._seen:
            self._seen, self._since, self._cpu = found, watch.now(), cpu
        elif elapsed >= watch.pace.wrong_listener:
            if cpu - self._cpu <= elapsed * _IDLE_SHARE:
                address = watch.app.address
                wanted = address.port if isinstance(address, SocketAddress) else APP_PORT
                raise UnhealthyAppError(f"The app listens on {_ports(found)}, but the Space expects {wanted}")
            self._since, self._cpu = watch.now(), cpu


def _ports(listeners: frozenset[Listener]) -> str:
    """Return the app's own ports; a helper's only where there is no other."""
    every = {one.port for one in listeners}
    shown = sorted(every - _HELPER_PORTS or every)
    return f"port{'s' if len(shown) > 1 else ''} {' and '.join(str(port) for port in shown)}"


async def answers(address: Address, path: str = "/", *, limit: float = _ANSWER_SECONDS) -> bool:
    """Return whether GET *path* is answered by anything but a server error, within *limit* seconds."""
    if isinstance(address, FolderAddress):
        return True
    try:
        async with asyncio.timeout(limit):
            return await _status(address, path) < 500
    except (OSError, TimeoutError, ValueError, IndexError, asyncio.IncompleteReadError):
        return False


async def _status(address: Address, path: str) -> int:
    if isinstance(address, SocketAddress):
        reader, writer = await asyncio.open_unix_connection(address.path)
    elif not isinstance(address, FolderAddress):
        reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        head = [f"GET {path} HTTP/1.1", "Host: localhost", "User-Agent: spacehand", "Connection: close"]
        writer.write("\r\n".join([*head, "", ""]).encode())
        line = await reader.readuntil(b"\n")
        return int(line.split()[1])
    finally:
        writer.close()


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
