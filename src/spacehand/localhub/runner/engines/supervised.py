"""An app and the relay beside it, seen from the Hub."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psutil

from spacehand.localhub.runner.address import Address, PortAddress
from spacehand.localhub.runner.command import pump
from spacehand.localhub.runner.engines._protocol import Listener, Output, RunSpec

RELAY = Path(__file__).resolve().parent.parent / "relay.py"
_LISTENING = "0A"


class SupervisedApp:
    """
    A relay process with the app under it.

    Our end of the relay's input is what keeps the app alive: closed, by `stop` or because the Hub died, the
    relay ends the app.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, spec: RunSpec, address: Address, *, own_network: bool
    ) -> None:
        self._process = process
        self._spec = spec
        self._address = address
        self._own_network = own_network
        self._pump: asyncio.Task[None] | None = None
        self._exit: asyncio.Task[int] | None = None

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
        process = await asyncio.create_subprocess_exec(
            *command,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            cwd="/",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=tuple(keep_open),
            start_new_session=True,
        )
        app = cls(process, spec, address, own_network=own_network)
        assert process.stdin is not None  # noqa: S101 - for the type checker: both are pipes
        assert process.stdout is not None  # noqa: S101
        app._pump = asyncio.create_task(pump(process.stdout, output))
        app._exit = asyncio.create_task(app._ended())
        # Not on the command line and not in the relay's environment, where other users could read it.
        process.stdin.write(json.dumps(order).encode() + b"\n")
        # The pipe takes what the kernel lets it, the rest follows: nobody can be cancelled in between.
        return app

    @property
    def address(self) -> Address:
        return self._address

    @property
    def pid(self) -> int:
        return self._process.pid

    def move_to(self, port: int) -> None:
        if not self._own_network:
            self._address = PortAddress(port)

    async def wait(self) -> int:
        assert self._exit is not None  # noqa: S101 - set by start
        return await asyncio.shield(self._exit)

    async def freeze(self) -> None:
        await asyncio.to_thread(self._freeze)

    async def thaw(self) -> None:
        await asyncio.to_thread(self._thaw)

    def record(self) -> Mapping[str, Any]:
        return {"pid": self.pid}

    async def stop(self) -> None:
        await self.thaw()  # who is frozen hears no polite request
        family = await asyncio.to_thread(self._family)
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(self._spec.grace_seconds + 3):
                await self.wait()
        except TimeoutError:
            self._kill_all()
            await self.wait()
        # A sandbox's process namespace is taken down by the kernel, a moment after its first process.
        await asyncio.to_thread(psutil.wait_procs, family, 5)

    def kill(self) -> None:
        for process in self._apps():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def memory(self, enough: int) -> int:
        apps = self._apps()
        roughly = sum(_read(process, "memory_info", "rss") for process in apps)
        if roughly <= enough:
            return roughly
        # Shared pages were counted once for each process; the exact sum costs more, so only now.
        return sum(_read(process, "memory_full_info", "pss") for process in apps)

    @property
    def was_out_of_memory(self) -> bool:
        return False  # nobody but the guard looks at its memory

    def cpu_seconds(self) -> float:
        total = 0.0
        for process in self._apps():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def listeners(self) -> frozenset[Listener]:
        apps = self._apps()
        if not self._own_network:
            return frozenset(listener for process in apps for listener in _own_listeners(process))
        ours = {self._spec.hub.port} if self._spec.hub else set()
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

    def _family(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self._process.pid).children(recursive=True)
        except psutil.Error:
            return []

    async def _ended(self) -> int:
        code = await self._process.wait()
        if self._pump is not None:
            # A grandchild in a session of its own may hold the pipe open.
            await asyncio.wait([self._pump], timeout=1)
            self._pump.cancel()
        self._kill_all()
        return 128 - code if code < 0 else code

    def _kill_all(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


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
