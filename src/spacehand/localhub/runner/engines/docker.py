"""Runs images in containers of a docker daemon on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiodocker
import psutil
from aiodocker.exceptions import DockerError

from spacehand.localhub.runner.address import PortAddress, SocketAddress
from spacehand.localhub.runner.build.interpreter import Interpreter
from spacehand.localhub.runner.engines import attendant
from spacehand.localhub.runner.engines._protocol import (
    Capabilities,
    Fidelity,
    Folders,
    Layout,
    Listener,
    Mount,
    Output,
    RunSpec,
)
from spacehand.localhub.runner.engines.doorway import open_doorway
from spacehand.localhub.runner.engines.mounting import open_to
from spacehand.localhub.runner.engines.supervised import RELAY, SupervisedApp
from spacehand.localhub.runner.images.builder import ImageBuilder
from spacehand.localhub.runner.images.buildkit import DockerTool, programs

_SOCKETS = ("/run/docker.sock", "/var/run/docker.sock", "~/.docker/run/docker.sock")
_UNIX = "unix://"
_MOST_PROCESSES = 4096
_UID = 1000
_ATTENDANT = Path(attendant.__file__)
_STOP_SECONDS = 5.0  # that the daemon may take beyond the app's own grace
_DIFFERENCES = ("disk space is not limited",)
_BEHIND_RELAY = ("the container reaches this Hub and no other address",)
_PUBLISHED = ("the container is in docker's own network: this Hub is not there, and every other address is",)


class DockerEngine:
    """
    A docker daemon and a docker command that passes a trial.

    As root beside the daemon, containers have no network but what a relay beside them lets through.
    Elsewhere, as in Docker Desktop, they are in docker's own and publish their port on 127.0.0.1.
    """

    fidelity = Fidelity.CONTAINER
    name = "docker"

    def __init__(self, hub: str, scratch: Path, *, host: str | None = None) -> None:
        self._hub = hub
        self.host = host if host is not None else find_host()
        self._known: Capabilities | None = None
        self._adopted: set[str] = set()  # ids of containers
        self._behind_relay = True
        self._gives_gpus = False
        self._mounts = False
        self._tool = DockerTool(self.host)
        self.builder = ImageBuilder(self._tool, scratch, hub)

    async def capabilities(self) -> Capabilities:
        if self._known is None:
            why_not = await self._try()
            differences = _DIFFERENCES + (_BEHIND_RELAY if self._behind_relay else _PUBLISHED)
            self._known = Capabilities(not why_not, why_not, differences, self._gives_gpus, self._mounts)
        return self._known

    def layout(self, folders: Folders, venv: Path | None, interpreter: Interpreter) -> Layout:  # noqa: ARG002
        return Layout("/app", "/home/user", "/tmp", "", "0.0.0.0", 0)  # noqa: S108

    async def start(self, spec: RunSpec, output: Output) -> DockerApp:
        await asyncio.to_thread(open_to, _UID, spec.mounts)
        async with aiodocker.Docker(self.host) as docker:
            try:
                container = await docker.containers.create(
                    self._configuration(spec), name=f"spacehand-{secrets.token_hex(6)}"
                )
            except DockerError as error:
                raise OSError(f"docker: {error.message}") from error
            try:
                await container.start()
                return await self._attend(await container.show(), spec, output)
            except DockerError as error:
                await _remove(docker, container.id)
                raise OSError(f"docker: {error.message}") from error
            except BaseException:
                await _remove(docker, container.id)
                raise

    async def adopt(self, record: Mapping[str, Any], spec: RunSpec, output: Output) -> DockerApp | None:
        if "container" not in record or spec.image is None:
            return None  # another engine's
        port = spec.image.port
        address = PortAddress(record["port"]) if record["port"] else SocketAddress(spec.socket, port)
        app = await DockerApp.adopt(record, spec, address, output, own_network=True)
        if app is None:
            return None
        self._adopted.add(record["container"])
        return app.attend(DockerContainer(self.host, record["container"], record["container_pid"]))

    async def sweep(self) -> None:
        """Remove the containers that an earlier Hub left behind, but for those that were adopted."""
        if not self.host:
            return
        with contextlib.suppress(OSError, DockerError):
            async with aiodocker.Docker(self.host) as docker:
                label = f"spacehand.hub={self._hub}"
                for container in await docker.containers.list(all=True, filters={"label": [label]}):
                    if container.id not in self._adopted:
                        await _remove(docker, container.id)

    def _configuration(self, spec: RunSpec) -> dict[str, Any]:
        assert spec.image is not None  # noqa: S101 - only images come here
        host: dict[str, Any] = {
            "NetworkMode": "none",
            "Memory": spec.memory_bytes,
            "MemorySwap": spec.memory_bytes,
            "NanoCpus": int(min(spec.cores, os.cpu_count() or 1) * 1_000_000_000),
            "PidsLimit": _MOST_PROCESSES,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "16m", "max-file": "2"}},
            "Mounts": [_bind(mount) for mount in spec.mounts],
        }
        more: dict[str, Any] = {}
        if not self._behind_relay:
            port = f"{spec.image.port}/tcp"
            host |= {
                "NetworkMode": "bridge",
                "PortBindings": {port: [{"HostIp": "127.0.0.1", "HostPort": ""}]},
            }
            more = {"ExposedPorts": {port: {}}}
        if spec.gpus:
            host["DeviceRequests"] = [{"Count": spec.gpus, "Capabilities": [["gpu"]]}]
        return {
            "Image": spec.image.tag,
            "Env": [f"{name}={value}" for name, value in spec.environment.items()],
            "User": str(_UID),
            "Labels": {"spacehand.hub": self._hub, "spacehand.space": spec.space},
            "HostConfig": host,
            **more,
        }

    async def _attend(self, shown: Mapping[str, Any], spec: RunSpec, output: Output) -> DockerApp:
        assert spec.image is not None  # noqa: S101
        container, pid = shown["Id"], int(shown["State"]["Pid"])
        grace = spec.grace_seconds
        order: dict[str, Any] = {
            "command": [
                sys.executable,
                "-I",
                "-S",
                str(_ATTENDANT),
                _path(self.host),
                container,
                f"{grace:.0f}",
            ],
            "environment": {"PATH": os.defpath, "LANG": "C.UTF-8"},
            "folder": "/",
            "grace": grace + _STOP_SECONDS,
        }
        relay = [sys.executable, "-I", "-S", str(RELAY)]
        within = DockerContainer(self.host, container, pid)
        network = _network(pid) if self._behind_relay else None
        if network is None:
            address = PortAddress(_published(shown, spec.image.port))
            app = await DockerApp.start(relay, spec, order, address, output, own_network=True)
            return app.attend(within)
        doorway = open_doorway(spec.socket)
        try:
            order |= {
                "listener": doorway.fileno(),
                "port": spec.image.port,
                "hub_port": spec.hub.port if spec.hub and spec.hub.port != spec.image.port else None,
                "hub_socket": str(spec.hub.socket) if spec.hub else None,
            }
            app = await DockerApp.start(
                ["nsenter", f"--net=/proc/self/fd/{network}", "--", *relay],
                spec,
                order,
                SocketAddress(spec.socket, spec.image.port),
                output,
                keep_open=[doorway.fileno(), network],
                own_network=True,
            )
            return app.attend(within)
        finally:
            doorway.close()
            os.close(network)

    async def _try(self) -> str:
        """Return why images cannot be built and run here; nothing if they can."""
        if not self.host:
            return "no docker daemon was found: DOCKER_HOST is not set, and there is no /var/run/docker.sock"
        if not self.host.startswith(_UNIX):
            return f"the docker daemon at {self.host} is not on this machine: name a unix socket"
        try:
            async with aiodocker.Docker(self.host) as docker:
                told = await docker.system.info()
                networks = {one["Name"] for one in await docker.networks.list()}
        except (OSError, DockerError):
            return f"no docker daemon answers at {self.host}"
        if told.get("OSType") != "linux":
            return "the docker daemon runs no Linux containers"
        self._behind_relay = os.geteuid() == 0 and bool(shutil.which("nsenter")) and _is_beside(told)
        self._gives_gpus = gives_gpus(told)
        self._mounts = mounts_folders(told, os.geteuid())
        self._tool.host_network = "bridge" not in networks
        if not self._behind_relay and "bridge" not in networks:
            return "the daemon has no network to publish a port in, and this Hub may not enter a container's"
        return await self._find_program()

    async def _find_program(self) -> str:
        reasons = []
        for program in programs():
            self._tool.program = program
            why_not = await self._tool.probe()
            if not why_not:
                return ""
            reasons.append(why_not)
        return "; ".join(reasons) or "the docker command is not installed"


class DockerContainer:
    """A container, asked for what its own processes do not tell."""

    def __init__(self, host: str, container: str, pid: int) -> None:
        self.id = container
        self.pid = pid
        self.was_out_of_memory = False
        self._host = host

    async def pause(self) -> None:
        await self._post("pause")

    async def unpause(self) -> None:
        await self._post("unpause")

    def kill(self) -> None:
        """Kill all its processes; not for the event loop."""
        with contextlib.suppress(OSError, ValueError):
            attendant.tell(_path(self._host), "POST", f"/containers/{self.id}/kill")

    async def remove(self) -> None:
        """Remove what is left of it; then it is known whether it was killed for its memory."""
        async with aiodocker.Docker(self._host) as docker:
            try:
                state = (await docker.containers.container(self.id).show())["State"]
            except DockerError:
                return  # removed already, as it was told to end
            self.was_out_of_memory = bool(state["OOMKilled"])
            await _remove(docker, self.id)

    async def _post(self, what: str) -> None:
        async with aiodocker.Docker(self._host) as docker:
            with contextlib.suppress(DockerError):  # it is so already, or the container has ended
                await getattr(docker.containers.container(self.id), what)()


class DockerApp(SupervisedApp):
    """A relay with a container's attendant under it; the container's processes are the app's."""

    is_fenced = False  # docker does that
    _container: DockerContainer
    _end: asyncio.Task[int] | None = None

    def attend(self, container: DockerContainer) -> DockerApp:
        """Take *container* to be what runs."""
        self._container = container
        self._end = asyncio.create_task(self._cleared_away())
        return self

    async def wait(self) -> int:
        return await (asyncio.shield(self._end) if self._end else super().wait())

    async def freeze(self) -> None:
        await self._container.pause()

    async def thaw(self) -> None:
        await self._container.unpause()

    def record(self) -> Mapping[str, Any]:
        return {**super().record(), "container": self._container.id, "container_pid": self._container.pid}

    def kill(self) -> None:
        self._container.kill()

    @property
    def was_out_of_memory(self) -> bool:
        return self._container.was_out_of_memory

    def listeners(self) -> frozenset[Listener]:
        # Of a published port the number inside says nothing, and docker's own proxy always listens.
        return frozenset() if isinstance(self.address, PortAddress) else super().listeners()

    def _apps(self) -> list[psutil.Process]:
        if not self._container.pid:
            return []
        try:
            first = psutil.Process(self._container.pid)
            return [first, *first.children(recursive=True)]
        except psutil.Error:
            return []

    async def _cleared_away(self) -> int:
        code = await super().wait()
        await self._container.remove()
        return code


def find_host() -> str:
    """Return where the docker daemon of this machine listens; empty where there is none."""
    if named := os.environ.get("DOCKER_HOST"):
        return named
    there = (Path(one).expanduser() for one in _SOCKETS)
    return next((f"{_UNIX}{path}" for path in there if path.is_socket()), "")


def _path(host: str) -> str:
    return host.removeprefix(_UNIX)


def gives_gpus(told: Mapping[str, Any], devices: Path = Path("/dev")) -> bool:
    """Return whether a container gets graphics processors if it asks, by what the daemon has *told*."""
    return "nvidia" in (told.get("Runtimes") or {}) and (devices / "nvidiactl").exists()


def mounts_folders(told: Mapping[str, Any], uid: int) -> bool:
    """Return whether containers get folders of a Hub that runs as *uid*, by what the daemon has *told*."""
    names = {part for one in told.get("SecurityOptions") or () for part in str(one).split(",")}
    # Under another number inside, or with the Hub as somebody else, the app could not write to its buckets.
    return _is_beside(told) and uid in (0, _UID) and not names & {"name=userns", "name=rootless"}


def _bind(mount: Mount) -> dict[str, Any]:
    source, target = str(mount.source), mount.target
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": mount.read_only}


def _is_beside(told: Mapping[str, Any]) -> bool:
    """Return whether the daemon's processes are this machine's: in Docker Desktop they are not."""
    return str(told.get("KernelVersion")) == os.uname().release


def _network(pid: int) -> int | None:
    """Return a descriptor of the network of process *pid*, which keeps it; None if that has ended."""
    try:
        return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    except OSError:
        return None


def _published(shown: Mapping[str, Any], port: int) -> int:
    bound = (shown["NetworkSettings"].get("Ports") or {}).get(f"{port}/tcp") or [{"HostPort": "0"}]
    return int(bound[0]["HostPort"])


async def _remove(docker: aiodocker.Docker, container: str) -> None:
    try:
        await docker.containers.container(container).delete(force=True, v=True)
    except DockerError as error:
        if error.status not in (404, 409):  # gone, or on its way
            raise
