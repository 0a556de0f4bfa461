"""Runs images in containers of a docker daemon on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import aiodocker
from aiodocker.exceptions import DockerError

from spacehand.localhub.egress import Egress
from spacehand.localhub.runner.address import PortAddress, SocketAddress
from spacehand.localhub.runner.build.interpreter import Interpreter
from spacehand.localhub.runner.engines import attendant
from spacehand.localhub.runner.engines._protocol import (
    Capabilities,
    Fidelity,
    Folders,
    Layout,
    Mount,
    Output,
    RunSpec,
)
from spacehand.localhub.runner.engines.docker_app import UNIX, DockerApp, DockerContainer, path_of, remove
from spacehand.localhub.runner.engines.doorway import open_doorway
from spacehand.localhub.runner.engines.mounting import open_to
from spacehand.localhub.runner.engines.supervised import RELAY
from spacehand.localhub.runner.engines.way_out import proxy, ways_out
from spacehand.localhub.runner.images.builder import ImageBuilder
from spacehand.localhub.runner.images.buildkit import DockerTool, programs

_SOCKETS = ("/run/docker.sock", "/var/run/docker.sock", "~/.docker/run/docker.sock")
_MOST_PROCESSES = 4096
_UID = 1000
_ATTENDANT = Path(attendant.__file__)
_STOP_SECONDS = 5.0  # that the daemon may take beyond the app's own grace
_PYTHON = (sys.executable, "-I", "-S")
_RELAY = (*_PYTHON, str(RELAY))
_PUBLISHED = ("the container is in docker's own network: this Hub is not there, and every other address is",)


class Network(Enum):
    """Which network a container is in."""

    OWN = "none"  # nothing is there but what a relay beside the container leads in and out
    MACHINES = "host"
    DOCKERS = "bridge"  # with the app's port published on 127.0.0.1


class DockerEngine:
    """
    A docker daemon and a docker command that passes a trial.

    As root beside the daemon, containers have no network but what a relay beside them lets through.
    Elsewhere, as in Docker Desktop, they are in docker's own.
    """

    fidelity = Fidelity.CONTAINER
    name = "docker"

    def __init__(
        self, hub: str, scratch: Path, *, host: str | None = None, egress: Egress = Egress.HUB_ONLY
    ) -> None:
        self._hub = hub
        self.egress = egress
        self.host = host if host is not None else find_host()
        self._known: Capabilities | None = None
        self._adopted: set[str] = set()  # ids of containers
        self._network = Network.OWN
        self._gives_gpus = False
        self._mounts = False
        self._tool = DockerTool(self.host)
        self.builder = ImageBuilder(self._tool, scratch, hub)

    async def capabilities(self) -> Capabilities:
        if self._known is None:
            why_not = await self._try()
            published = self._network is Network.DOCKERS
            differences = _PUBLISHED if published else self.egress.container_differences
            self._known = Capabilities(
                not why_not,
                why_not,
                differences,
                self._gives_gpus,
                self._mounts,
                shares_ports=self._network is Network.MACHINES,
            )
        return self._known

    def layout(self, folders: Folders, venv: Path | None, interpreter: Interpreter) -> Layout:  # noqa: ARG002
        way = proxy(self.egress) if self._network is Network.OWN else ""
        return Layout("/app", "/home/user", "/tmp", "", "0.0.0.0", 0, way)  # noqa: S108

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
                await remove(docker, container.id)
                raise OSError(f"docker: {error.message}") from error
            except BaseException:
                await remove(docker, container.id)
                raise

    async def adopt(self, record: Mapping[str, Any], spec: RunSpec, output: Output) -> DockerApp | None:
        if "container" not in record or spec.image is None:
            return None  # another engine's
        port = spec.image.port
        address = PortAddress(record["port"]) if record["port"] else SocketAddress(spec.socket, port)
        own = record.get("own_network", True)
        app = await DockerApp.adopt(record, spec, address, output, own_network=own)
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
                        await remove(docker, container.id)

    def _configuration(self, spec: RunSpec) -> dict[str, Any]:
        assert spec.image is not None  # noqa: S101 - only images come here
        host: dict[str, Any] = {
            "NetworkMode": self._network.value,
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
        if self._network is Network.DOCKERS:
            port = f"{spec.image.port}/tcp"
            host["PortBindings"] = {port: [{"HostIp": "127.0.0.1", "HostPort": ""}]}
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
        container = DockerContainer(self.host, shown["Id"], int(shown["State"]["Pid"]))
        grace = f"{spec.grace_seconds:.0f}"
        order: dict[str, Any] = {
            "command": [*_PYTHON, str(_ATTENDANT), path_of(self.host), container.id, grace],
            "environment": {"PATH": os.defpath, "LANG": "C.UTF-8"},
            "folder": "/",
            "grace": spec.grace_seconds + _STOP_SECONDS,
        }
        network = _network(container.pid) if self._network is Network.OWN else None
        if self._network is Network.MACHINES:
            app = await self._behind_relay(_RELAY, [], spec, order, output)
        elif network is not None:
            words = ("nsenter", f"--net=/proc/self/fd/{network}", "--", *_RELAY)
            try:
                app = await self._behind_relay(words, [network], spec, order, output)
            finally:
                os.close(network)
        else:  # published; or ended already, so that nobody is led anywhere
            address = PortAddress(_published(shown, spec.image.port))
            app = await DockerApp.start(_RELAY, spec, order, address, output, own_network=True)
        return app.attend(container)

    async def _behind_relay(
        self,
        relay: Sequence[str],
        keep_open: Sequence[int],
        spec: RunSpec,
        order: Mapping[str, Any],
        output: Output,
    ) -> DockerApp:
        assert spec.image is not None  # noqa: S101
        port = spec.image.port
        folder = spec.hub.socket.parent if spec.hub else Path("/")
        with open_doorway(spec.socket) as doorway:
            way_in = {"listener": doorway.fileno(), "port": port}
            return await DockerApp.start(
                relay,
                spec,
                {**order, **way_in, **ways_out(self.egress, spec.hub, port, folder)},
                SocketAddress(spec.socket, port),
                output,
                keep_open=[doorway.fileno(), *keep_open],
                own_network=self._network is Network.OWN,
            )

    async def _try(self) -> str:
        """Return why images cannot be built and run here; nothing if they can."""
        if not self.host:
            return "no docker daemon was found: DOCKER_HOST is not set, and there is no /var/run/docker.sock"
        if not self.host.startswith(UNIX):
            return f"the docker daemon at {self.host} is not on this machine: name a unix socket"
        try:
            async with aiodocker.Docker(self.host) as docker:
                told = await docker.system.info()
                networks = {one["Name"] for one in await docker.networks.list()}
        except (OSError, DockerError):
            return f"no docker daemon answers at {self.host}"
        if told.get("OSType") != "linux":
            return "the docker daemon runs no Linux containers"
        may_enter = os.geteuid() == 0 and shutil.which("nsenter") is not None
        self._network = network_for(self.egress, told, may_enter=may_enter)
        self._gives_gpus = gives_gpus(told)
        self._mounts = mounts_folders(told, os.geteuid())
        self._tool.host_network = "bridge" not in networks
        if self._network is Network.DOCKERS:
            if "bridge" not in networks:
                return "the daemon has no network to publish a port in, and this Hub may not enter an app's"
            if self.egress is Egress.NONE:
                return "`--egress none` cannot be kept: this Hub may not enter a container's network"
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


def find_host() -> str:
    """Return where the docker daemon of this machine listens; empty where there is none."""
    if named := os.environ.get("DOCKER_HOST"):
        return named
    there = (Path(one).expanduser() for one in _SOCKETS)
    return next((f"{UNIX}{path}" for path in there if path.is_socket()), "")


def network_for(egress: Egress, told: Mapping[str, Any], *, may_enter: bool) -> Network:
    """Return where containers are to be, by what the daemon has *told*; *may_enter*: the Hub, theirs."""
    if not _is_beside(told):
        return Network.DOCKERS
    if not egress.has_own_network:
        return Network.MACHINES
    return Network.OWN if may_enter else Network.DOCKERS


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
