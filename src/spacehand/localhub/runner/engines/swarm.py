"""Runs images on the machines of a Docker Swarm: another machine takes over where one is lost."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiodocker
import psutil
from aiodocker.exceptions import DockerError

from spacehand.localhub.egress import Egress
from spacehand.localhub.runner.address import SocketAddress
from spacehand.localhub.runner.build.interpreter import Interpreter
from spacehand.localhub.runner.engines._protocol import (
    Capabilities,
    Fidelity,
    Folders,
    Layout,
    Output,
    RunSpec,
)
from spacehand.localhub.runner.engines.docker import DockerEngine
from spacehand.localhub.runner.engines.supervised import RELAY, SupervisedApp

HOST_LABEL = "spacehand.host"  # of a node: where its docker daemon takes images from this Hub
GPU_LABEL = "gpu"
_HAS_IMAGES = "spacehand.hub."  # and the Hub's mark: the node has what that Hub has built
_WATCH = "spacehand.localhub.runner.engines.swarm_watch"
_UID = "1000"
_ATTEMPTS = 3
_WINDOW_SECONDS = 120
_NANO = 1_000_000_000
_STOP_SECONDS = 5.0  # that the Swarm may take beyond the app's own grace
_DIFFERENCES = (
    "the container is in its machine's own network, and reaches more than this Hub",
    "a port serves one Space on each machine: a new version needs a machine more to start on",
    "a sleeping app keeps its processor time until it is ended",
    "memory beyond the limit ends with exit code 137, without its reason",
    "disk space is not limited",
)


class SwarmEngine:
    """The docker daemon of this machine, as a manager of a Swarm."""

    fidelity = Fidelity.CONTAINER
    name = "swarm"

    def __init__(self, hub: str, docker: DockerEngine) -> None:
        self._hub = hub
        self._docker = docker
        self._known: Capabilities | None = None
        self._adopted: set[str] = set()  # ids of services
        self.builder = docker.builder

    async def capabilities(self) -> Capabilities:
        if self._known is None:
            built = await self._docker.capabilities()
            why_not, gpus = (built.why_not, False) if not built.works else await self._try()
            self._known = Capabilities(not why_not, why_not, _DIFFERENCES, gpus)
        return self._known

    def layout(self, folders: Folders, venv: Path | None, interpreter: Interpreter) -> Layout:
        return replace(self._docker.layout(folders, venv, interpreter), proxy="")

    async def start(self, spec: RunSpec, output: Output) -> SwarmApp:
        assert spec.image is not None  # noqa: S101 - only images come here
        async with aiodocker.Docker(self._docker.host) as docker:
            try:
                await self._share(docker, spec.image.tag)
                service = (await docker.services.create(**self._service(spec)))["ID"]
            except DockerError as error:
                raise OSError(f"docker: {error.message}") from error
            try:
                return await self._attend(service, spec, output)
            except BaseException:
                await docker.services.delete(service)
                raise

    async def adopt(self, record: Mapping[str, Any], spec: RunSpec, output: Output) -> SwarmApp | None:
        if "service" not in record or spec.image is None:
            return None  # another engine's
        address = SocketAddress(spec.socket, spec.image.port)
        app = await SwarmApp.adopt(record, spec, address, output, own_network=True)
        if app is None:
            return None
        self._adopted.add(record["service"])
        return app.of(record["service"])

    async def sweep(self) -> None:
        """Remove the services that an earlier Hub left behind, but for those that were adopted."""
        with contextlib.suppress(OSError, DockerError):  # no daemon, or one without a Swarm
            async with aiodocker.Docker(self._docker.host) as docker:
                wanted = {"label": [f"spacehand.hub={self._hub}"]}
                for service in await docker.services.list(filters=wanted):
                    if service["ID"] not in self._adopted:
                        await docker.services.delete(service["ID"])

    def _service(self, spec: RunSpec) -> dict[str, Any]:
        assert spec.image is not None  # noqa: S101
        constraints = [f"node.labels.{_HAS_IMAGES}{self._hub}==yes"]
        if spec.gpus:
            constraints.append(f"node.labels.{GPU_LABEL}==true")
        cores = min(spec.cores, os.cpu_count() or 1)
        port = spec.image.port
        return {
            "name": f"spacehand-{secrets.token_hex(6)}",
            "labels": {"spacehand.hub": self._hub, "spacehand.space": spec.space},
            "mode": {"Replicated": {"Replicas": 1}},
            "endpoint_spec": {
                # Published by nobody in this network; but the Swarm knows that the port is taken.
                "Ports": [{"TargetPort": port, "PublishedPort": port, "PublishMode": "host"}]
            },
            "task_template": {
                "ContainerSpec": {
                    "Image": spec.image.tag,
                    "Env": dict(spec.environment),
                    "User": _UID,
                    "CapabilityDrop": ["ALL"],
                    "StopGracePeriod": int(spec.grace_seconds * _NANO),
                },
                "Resources": {"Limits": {"MemoryBytes": spec.memory_bytes, "NanoCPUs": int(cores * _NANO)}},
                # For lost machines; an app that ends again and again is given back to the Hub.
                "RestartPolicy": {
                    "Condition": "any",
                    "MaxAttempts": _ATTEMPTS,
                    "Window": _WINDOW_SECONDS * _NANO,
                },
                "Placement": {"Constraints": constraints, "MaxReplicas": 1},
                "Networks": [{"Target": "host"}],
            },
        }

    async def _attend(self, service: str, spec: RunSpec, output: Output) -> SwarmApp:
        assert spec.image is not None  # noqa: S101
        port = spec.image.port
        order = {
            "command": [
                *(sys.executable, "-I", "-m", _WATCH),
                *(self._docker.host, service, str(spec.socket), str(port)),
            ],
            "environment": {"PATH": os.defpath, "LANG": "C.UTF-8"},
            "folder": "/",
            "grace": spec.grace_seconds + _STOP_SECONDS,
        }
        relay = [sys.executable, "-I", "-S", str(RELAY)]
        address = SocketAddress(spec.socket, port)
        app = await SwarmApp.start(relay, spec, order, address, output, own_network=True)
        return app.of(service)

    async def _share(self, docker: aiodocker.Docker, tag: str) -> None:
        """Give the image to every machine that takes it, and mark those that have it."""
        own = (await docker.system.info())["Swarm"]["NodeID"]
        for node in await docker.nodes.list():
            host = node["Spec"].get("Labels", {}).get(HOST_LABEL)
            has_it = node["ID"] == own
            if not has_it and host and node["Status"]["State"] == "ready":
                has_it = await _copy(docker, host, tag)
            await self._mark(docker, node, has_it=has_it)

    async def _mark(self, docker: aiodocker.Docker, node: Mapping[str, Any], *, has_it: bool) -> None:
        label = f"{_HAS_IMAGES}{self._hub}"
        labels = dict(node["Spec"].get("Labels") or {})
        if (labels.get(label) == "yes") != has_it:
            labels[label] = "yes" if has_it else "no"
            await docker.nodes.update(
                node_id=node["ID"], version=node["Version"]["Index"], spec={**node["Spec"], "Labels": labels}
            )

    async def _try(self) -> tuple[str, bool]:
        """Return why nothing can be run in a Swarm, and whether one of its machines has GPUs."""
        if self._docker.egress is Egress.NONE:
            return "`--egress none` cannot be kept: containers are in their machine's own network", False
        async with aiodocker.Docker(self._docker.host) as docker:
            if not (await docker.system.info()).get("Swarm", {}).get("ControlAvailable"):
                return "the docker daemon manages no Swarm: `docker swarm init`", False
            nodes = await docker.nodes.list()
        return "", any((node["Spec"].get("Labels") or {}).get(GPU_LABEL) == "true" for node in nodes)


class SwarmApp(SupervisedApp):
    """A relay with a service's watch under it; the app's processes are on other machines."""

    _service = ""

    def of(self, service: str) -> SwarmApp:
        """Take *service* to be what runs."""
        self._service = service
        return self

    async def freeze(self) -> None:
        """Do nothing: a Swarm cannot pause."""

    async def thaw(self) -> None:
        """Do nothing: it never slept."""

    def record(self) -> Mapping[str, Any]:
        return {**super().record(), "service": self._service}

    def _apps(self) -> list[psutil.Process]:
        return []


async def _copy(docker: aiodocker.Docker, host: str, tag: str) -> bool:
    """Copy image *tag* to the daemon at *host*, unless it has it; return whether it has it now."""
    try:
        async with aiodocker.Docker(host) as other:
            with contextlib.suppress(DockerError):
                await other.images.inspect(tag)
                return True
            async with docker.images.export_image(tag) as content:
                await other.images.import_image(content)
            return True
    except (TimeoutError, OSError, DockerError):
        return False  # it is not there now, and gets nothing to run
