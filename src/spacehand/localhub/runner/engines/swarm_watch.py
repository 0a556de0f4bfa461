"""
Stands in for a service of a Swarm as a process: leads requests to where it runs now, prints what it prints.

Runs as a program of its own under the relay. It ends with the service's exit code when no machine runs it any
more; SIGTERM removes the service.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiodocker
from aiodocker.exceptions import DockerError

from spacehand.localhub.runner.engines.doorway import open_doorway
from spacehand.localhub.runner.engines.relay import Entrance

_LOOK_SECONDS = 0.3
_HOLD_SECONDS = 20.0  # that a request waits for another machine to run the app
_PATIENCE_SECONDS = 20.0  # that no machine may be free for an app that has never run
_CONNECT_SECONDS = 3.0
_LAST_WORDS_SECONDS = 1.0
_OVER = ("complete", "failed", "rejected", "remove", "shutdown", "orphaned")
_STOPPED = 128 + signal.SIGTERM


class Watch:
    """One service, followed from machine to machine."""

    def __init__(self, docker: aiodocker.Docker, service: str, port: int) -> None:
        self._docker = docker
        self._service = service
        self._port = port
        self._hosts: tuple[str, ...] = ()
        self._somewhere = asyncio.Event()
        self._turns = itertools.count()

    async def until_over(self) -> int:
        """Return the exit code once the service runs nowhere and will not."""
        loop = asyncio.get_running_loop()
        waiting_since = loop.time()
        while True:
            tasks = await self._tasks()
            self._take(running_at(tasks, await self._addresses()))
            if (code := exit_code(tasks)) is not None:
                return code
            reason = why_nowhere(tasks)
            if self._hosts or not reason:
                waiting_since = loop.time()
            elif loop.time() - waiting_since > _PATIENCE_SECONDS:
                _say(f"Scheduling failure: unable to schedule: {reason}")
                return 1
            await asyncio.sleep(_LOOK_SECONDS)

    async def connect(self, protocol: Callable[[], Any]) -> Any:
        """Connect to the app where it runs now, the machines in turn; wait while it moves."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_HOLD_SECONDS):
                while True:
                    await self._somewhere.wait()
                    host = self._hosts[next(self._turns) % len(self._hosts)]
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_CONNECT_SECONDS):
                            return await loop.create_connection(protocol, host, self._port)
        except TimeoutError as error:
            raise OSError("the app runs nowhere") from error

    async def copy_log(self) -> None:
        """Print what the app prints, wherever it runs."""
        lines = self._docker.services.logs(self._service, follow=True, stdout=True, stderr=True)
        assert not isinstance(lines, str)  # noqa: S101 - who follows gets pieces
        async for line in lines:
            sys.stdout.write(line)
            sys.stdout.flush()

    async def remove(self) -> None:
        """Remove the service and return when no machine runs it."""
        with contextlib.suppress(DockerError):
            await self._docker.services.delete(self._service)
        tasks, ready = await self._tasks(), await self._addresses()
        while any(task["Status"]["State"] == "running" and task.get("NodeID") in ready for task in tasks):
            await asyncio.sleep(_LOOK_SECONDS)
            tasks, ready = await self._tasks(), await self._addresses()

    def _take(self, hosts: tuple[str, ...]) -> None:
        if hosts and hosts != self._hosts:
            _say(f"[spacehand] the Swarm runs it at {', '.join(hosts)}")
        self._hosts = hosts
        (self._somewhere.set if hosts else self._somewhere.clear)()

    async def _tasks(self) -> Sequence[Mapping[str, Any]]:
        with contextlib.suppress(DockerError):  # removed by somebody else: it has no tasks
            return await self._docker.tasks.list(filters={"service": self._service})
        return []

    async def _addresses(self) -> dict[str, str]:
        """Return the addresses of the machines that are ready, by their ids."""
        nodes = await self._docker.nodes.list()
        return {node["ID"]: node["Status"]["Addr"] for node in nodes if node["Status"]["State"] == "ready"}


def running_at(tasks: Sequence[Mapping[str, Any]], addresses: Mapping[str, str]) -> tuple[str, ...]:
    """Return the addresses of the machines that run one of *tasks*, as they should."""
    return tuple(
        sorted(
            addresses[task["NodeID"]]
            for task in tasks
            if task["Status"]["State"] == "running"
            and task["DesiredState"] == "running"
            and task.get("NodeID") in addresses
        )
    )


def exit_code(tasks: Sequence[Mapping[str, Any]]) -> int | None:
    """Return how the newest of *tasks* ended if none runs or is going to; 1 where there is none at all."""
    # What a lost machine ran is never told to be over: nobody wants it to run any more.
    if any(task["Status"]["State"] not in _OVER and task["DesiredState"] not in _OVER for task in tasks):
        return None
    if not tasks:
        return 1
    status = max(tasks, key=lambda task: str(task["CreatedAt"]))["Status"]
    return int((status.get("ContainerStatus") or {}).get("ExitCode") or (status["State"] != "complete"))


def why_nowhere(tasks: Sequence[Mapping[str, Any]]) -> str:
    """Return why no machine takes one of *tasks*; nothing while the Swarm has not said so."""
    reasons = (task["Status"].get("Err") for task in tasks if task["Status"]["State"] == "pending")
    return next((reason for reason in reasons if reason), "")


async def watch(host: str, service: str, door: Path, port: int) -> int:
    """Return the exit code of *service*; meanwhile requests come in at *door*."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, asked.set)
    async with aiodocker.Docker(host) as docker:
        watched = Watch(docker, service, port)
        await loop.create_unix_server(lambda: Entrance(watched.connect), sock=open_doorway(door))
        log = asyncio.create_task(watched.copy_log())
        over = asyncio.create_task(watched.until_over())
        stop = asyncio.create_task(asked.wait())
        await asyncio.wait([over, stop], return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            await asyncio.wait([log], timeout=_LAST_WORDS_SECONDS)
        over.cancel()
        await watched.remove()
        log.cancel()
        await asyncio.gather(log, over, return_exceptions=True)
        return over.result() if not over.cancelled() else _STOPPED


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _code = asyncio.run(watch(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
    sys.stdout.flush()
    os._exit(_code)
