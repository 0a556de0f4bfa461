"""A docker container as an app, seen from the Hub."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import aiodocker
import psutil
from aiodocker.exceptions import DockerError

from spacehand.localhub.runner.address import PortAddress
from spacehand.localhub.runner.engines import attendant
from spacehand.localhub.runner.engines._protocol import Listener
from spacehand.localhub.runner.engines.supervised import SupervisedApp

UNIX = "unix://"


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
            attendant.tell(path_of(self._host), "POST", f"/containers/{self.id}/kill")

    async def remove(self) -> None:
        """Remove what is left of it; then it is known whether it was killed for its memory."""
        async with aiodocker.Docker(self._host) as docker:
            try:
                state = (await docker.containers.container(self.id).show())["State"]
            except DockerError:
                return  # removed already, as it was told to end
            self.was_out_of_memory = bool(state["OOMKilled"])
            await remove(docker, self.id)

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
