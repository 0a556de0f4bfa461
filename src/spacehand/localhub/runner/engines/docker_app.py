"""A docker container as an app, seen from the Hub."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import aiodocker
import psutil
from aiodocker.exceptions import DockerError

from spacehand.localhub.runner.address import PortAddress
from spacehand.localhub.runner.engines import attendant
from spacehand.localhub.runner.engines._protocol import Listener
from spacehand.localhub.runner.engines.disk import bytes_held
from spacehand.localhub.runner.engines.supervised import SupervisedApp

UNIX = "unix://"


class DockerContainer:
    """A container, asked for what its own processes do not tell."""

    def __init__(self, host: str, container: str, pid: int) -> None:
        self.id = container
        self.pid = pid
        self.was_out_of_memory = False
        self._host = host
        self._written: list[Path] | None = None  # folders; none where they are not this machine's

    async def pause(self) -> None:
        await self._post("pause")

    async def unpause(self) -> None:
        await self._post("unpause")

    def kill(self) -> None:
        """Kill all its processes; not for the event loop."""
        with contextlib.suppress(OSError, ValueError):
            attendant.tell(path_of(self._host), "POST", f"/containers/{self.id}/kill")

    def disk(self) -> int:
        """Return the bytes that it has written, 0 when it is gone; not for the event loop."""
        try:
            if self._written is None:
                self._written = written_by(self._show())
            if self._written:
                return sum(bytes_held(folder) for folder in self._written)
            return int(self._show("?size=1").get("SizeRw") or 0)
        except (OSError, HTTPException, ValueError):
            return 0

    async def remove(self) -> None:
        """Remove what is left of it; then it is known whether it was killed for its memory."""
        async with aiodocker.Docker(self._host) as docker:
            try:
                state = (await docker.containers.container(self.id).show())["State"]
            except DockerError:
                return  # removed already, as it was told to end
            self.was_out_of_memory = bool(state["OOMKilled"])
            await remove(docker, self.id)

    def _show(self, query: str = "") -> Mapping[str, Any]:
        found: Mapping[str, Any] = attendant.tell(
            path_of(self._host), "GET", f"/containers/{self.id}/json{query}"
        )
        return found

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
        container = {"container": self._container.id, "container_pid": self._container.pid}
        return {**super().record(), **container, "own_network": self._own_network}

    def kill(self) -> None:
        self._container.kill()

    def disk(self) -> int:
        return self._container.disk()

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


def written_by(shown: Mapping[str, Any]) -> list[Path]:
    """
    Return the folders of this machine that hold what a container writes, by what the daemon has *shown*.

    None where its files are on another machine, or kept otherwise: then the daemon has to be asked for sizes.
    """
    layer = ((shown.get("GraphDriver") or {}).get("Data") or {}).get("UpperDir")
    volumes = [one["Source"] for one in shown.get("Mounts") or () if one["Type"] == "volume"]
    found = [Path(place) for place in (layer, *volumes) if place and os.access(place, os.R_OK | os.X_OK)]
    return found if layer and len(found) == 1 + len(volumes) else []


def path_of(host: str) -> str:
    """Return the path of the unix socket that the daemon's address *host* names."""
    return host.removeprefix(UNIX)


async def remove(docker: aiodocker.Docker, container: str) -> None:
    """Remove *container*, ended or not, with its own volumes; does nothing when it is gone."""
    try:
        await docker.containers.container(container).delete(force=True, v=True)
    except DockerError as error:
        if error.status not in (404, 409):  # gone, or on its way
            raise
