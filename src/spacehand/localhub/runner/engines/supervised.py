"""An app and the relay beside it, seen from the Hub."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import psutil

from spacehand.localhub.runner.address import Address, PortAddress
from spacehand.localhub.runner.engines import fence, keeper_link
from spacehand.localhub.runner.engines._protocol import Listener, Output, RunSpec
from spacehand.localhub.runner.engines.disk import bytes_held
from spacehand.localhub.runner.engines.family import descendants
from spacehand.localhub.runner.engines.fence import Bounds, Fence
from spacehand.localhub.runner.engines.keeper_link import KeeperLink

RELAY = Path(__file__).resolve().parent / "relay.py"
_LISTENING = "0A"


class SupervisedApp:
    """
    A keeper with the relay under it and the app under that.

    The keeper outlives this Hub, so another can adopt the app; see `keeper` for what is said between them.
    """

    is_fenced = True  # here, and not by whatever else runs the app

    def __init__(
        self,
        link: KeeperLink,
        spec: RunSpec,
        address: Address,
        *,
        own_network: bool,
        output: Output,
        held_by: Fence,
    ) -> None:
        self._link = link
        self._spec = spec
        self._fence = held_by
        self._was_out_of_memory = False
        self._address = address
        self._own_network = own_network
        self._exit = asyncio.create_task(self._ended(output))

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        spec: RunSpec,
        order: Mapping[str, Any],
        address: Address,
        output: Output,
        *,
        keep_open: Sequence[int] = (),
        own_network: bool,
    ) -> Self:
        """Start *command*, which ends in the relay, and give the relay its *order*."""
        around = raise_fence(spec) if cls.is_fenced else Fence()
        link = await keeper_link.start(
            spec.control,
            {
                "command": list(command),
                "relay": dict(order),
                "keep_open": list(keep_open),
                "groups": around.entrances,
                "grace": spec.grace_seconds,
                "alone": spec.alone_seconds,
            },
        )
        return cls(link, spec, address, own_network=own_network, output=output, held_by=around)

    @classmethod
    async def adopt(
        cls, record: Mapping[str, Any], spec: RunSpec, address: Address, output: Output, *, own_network: bool
    ) -> Self | None:
        """Return the app that *record* finds, or None when it is no more."""
        around = Fence(tuple(Path(group) for group in record.get("fence", ())))
        link = await keeper_link.find(spec.control)
        if link is None or link.pid != record["pid"]:
            around.remove()
            return None
        return cls(link, spec, address, own_network=own_network, output=output, held_by=around)

    @property
    def address(self) -> Address:
        return self._address

    @property
    def pid(self) -> int:
        return self._link.pid

    def move_to(self, port: int) -> None:
        if not self._own_network:
            self._address = PortAddress(port)

    async def wait(self) -> int:
        return await asyncio.shield(self._exit)

    async def freeze(self) -> None:
        await asyncio.to_thread(self._freeze)

    async def thaw(self) -> None:
        await asyncio.to_thread(self._thaw)

    def record(self) -> Mapping[str, Any]:
        port = self._address.port if isinstance(self._address, PortAddress) else None
        return {"pid": self.pid, "port": port, "fence": [str(group) for group in self._fence.groups]}

    async def stop(self) -> None:
        await self.thaw()  # who is frozen hears no polite request
        family = await asyncio.to_thread(self._family)
        self._link.say({"stop": True})
        try:
            async with asyncio.timeout(self._spec.grace_seconds + 6):
                await self.wait()
        except TimeoutError:
            self._kill_all()
            await self.wait()
        # A sandbox's process namespace is taken down by the kernel, a moment after its first process.
        await asyncio.to_thread(psutil.wait_procs, family, 5)
        self._fence.remove()

    def kill(self) -> None:
        for process in self._apps():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def memory(self, enough: int) -> int:
        apps = self._measured()
        roughly = sum(_read(process, "memory_info", "rss") for process in apps)
        if roughly <= enough:
            return roughly
        # Shared pages were counted once for each process; the exact sum costs more, so only now.
        return sum(_read(process, "memory_full_info", "pss") for process in apps)

    @property
    def was_out_of_memory(self) -> bool:
        return self._was_out_of_memory or self._fence.killed_for_memory

    def disk(self) -> int:
        return bytes_held(self._spec.folders.root)

    def cpu_seconds(self) -> float:
        total = 0.0
        for process in self._measured():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def listeners(self) -> frozenset[Listener]:
        apps = self._apps()
        if not self._own_network:
            return frozenset(listener for process in apps for listener in _own_listeners(process))
        ours = {self._spec.hub.port} if self._spec.hub else set()
        if self._spec.layout.proxy:
            ours.add(urlsplit(self._spec.layout.proxy).port or 0)
        for process in apps:  # all are in the same network namespace; any of them tells
            try:
                found = _namespace_listeners(process.pid)
            except OSError:
                continue
            return frozenset(one for one in found if one.port not in ours)
        return frozenset()

    def _freeze(self) -> None:
        """Stop every process; one may have started another just before it was stopped, so look again."""
        stopped: set[psutil.Process] = set()
        while new := set(self._apps()) - stopped:
            for process in new:
                with contextlib.suppress(psutil.Error):
                    process.suspend()
            stopped |= new

    def _thaw(self) -> None:
        # Children first: a parent that goes on may look at once whether its child is stopped.
        for process in reversed(self._apps()):
            with contextlib.suppress(psutil.Error):
                process.resume()

    def _apps(self) -> list[psutil.Process]:
        """Return the app's processes, without the sandbox's and the relay's own."""
        return [process for process in self._family() if not _is_ours(process)]

    def _measured(self) -> list[psutil.Process]:
        """Return what `_apps` does, so fast that it may be asked every second."""
        return [process for process in descendants(self.pid) if not _is_ours(process)]

    def _family(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.Error:
            return []

    async def _ended(self, output: Output) -> int:
        code = await self._link.follow(output)
        self._was_out_of_memory = self._fence.killed_for_memory
        if code is None:  # the keeper was killed, and its relay has ended the app
            self._kill_all()
        await self._link.close()
        self._spec.control.unlink(missing_ok=True)
        return 128 + signal.SIGKILL if code is None else code

    def _kill_all(self) -> None:
        with contextlib.suppress(psutil.Error):
            keeper = psutil.Process(self.pid)
            for process in [*keeper.children(recursive=True), keeper]:
                with contextlib.suppress(psutil.Error):
                    process.kill()


def raise_fence(spec: RunSpec) -> Fence:
    """Return what the kernel will hold the app to; nothing where this machine has no way to."""
    fences = fence.usual()
    if fences is None:
        return Fence()
    try:
        return fences.raise_around(spec.folders.root.name, Bounds(spec.memory_bytes, spec.cores))
    except OSError:
        return Fence()  # the Hub watches all the same


def differences() -> tuple[str, ...]:
    """Return how what an app may take here differs from the Hub's limits."""
    if fence.usual() is not None:
        return ()
    return (
        "memory is watched and not fenced: a process may exceed its limit for a moment",
        "the app may use every processor of this machine",
    )


def _is_ours(process: psutil.Process) -> bool:
    try:
        arguments = process.cmdline()
    except psutil.Error:
        return True  # gone already
    if not arguments:
        return True  # a zombie
    beside = arguments[1:3] == ["-I", "-S"] and "".join(arguments[3:4]).endswith(f"/{RELAY.name}")
    return beside or Path(arguments[0]).name in ("bwrap", "setpriv")


def _read(process: psutil.Process, method: str, field: str) -> int:
    try:
        return int(getattr(getattr(process, method)(), field))
    except (psutil.Error, AttributeError):
        return 0


def _own_listeners(process: psutil.Process) -> list[Listener]:
    try:
        connections = process.net_connections(kind="tcp")
    except psutil.Error:
        return []
    return [
        Listener(one.laddr.ip, one.laddr.port)
        for one in connections
        if one.status == psutil.CONN_LISTEN and one.laddr
    ]


def _namespace_listeners(pid: int) -> list[Listener]:
    """Return every listener in the network namespace that process *pid* lives in."""
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            if state == _LISTENING:
                host, _, port = local.partition(":")
                found.append(Listener(_host(host), int(port, 16)))
    return found


def _host(words: str) -> str:
    """Return the address that the kernel prints as hexadecimal words in the machine's own byte order."""
    packed = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
    return str(ipaddress.ip_address(packed))
