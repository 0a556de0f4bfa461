"""The statistics app, served as a Space serves it, and visitors who speak Shiny's protocol."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from tests.environments import environment_with
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from spacehand.space.build import build
from spacehand.space.spec import SpaceSpec

APP = Path(__file__).parents[1] / "apps" / "shiny-statistics"
COVARIATES = ("horTh", "age", "menostat", "tsize", "tgrade", "pnodes", "progrec", "estrec")
_STARTS_IN = 280.0  # seconds; libraries are loaded by both queues
_SETTLED = re.compile(r"Computed|Known already|alert|Cancelled")


@dataclass(frozen=True)
class Served:
    """The app that runs."""

    port: int
    process: psutil.Process

    @property
    def metrics(self) -> dict[str, Any]:
        """What it tells at ``/spacehand/metrics.json``."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.port}/spacehand/metrics.json", timeout=60
        ) as answer:
            told: dict[str, Any] = json.load(answer)
        return told

    def busiest_worker(self) -> psutil.Process:
        """Return the process below the app that computes most: a worker with a job."""
        workers = [one for one in self.process.children(recursive=True) if not one.children()]
        before = {one.pid: sum(one.cpu_times()[:2]) for one in workers}
        time.sleep(0.5)  # what is measured is an interval
        return max(workers, key=lambda one: sum(one.cpu_times()[:2]) - before[one.pid])


@contextmanager
def served(**variables: str) -> Iterator[Served]:
    """Build the Space, and run it until the block ends."""
    python = environment_with(files=[APP / "requirements.txt"])
    with tempfile.TemporaryDirectory() as place:
        folder = build(SpaceSpec.load(APP), Path(place) / "space").folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        words = [str(python), "-m", "shiny", "run", "--host", "127.0.0.1", "--port", str(port), "app.py"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HF_"))}
        with Path(place, "log").open("wb") as log:
            process = subprocess.Popen(
                words, cwd=folder, env=kept | variables, stdout=log, stderr=subprocess.STDOUT
            )
        app = Served(port, psutil.Process(process.pid))
        try:
            end = time.monotonic() + _STARTS_IN
            while not _answers(app):
                said = Path(place, "log").read_text()[-3000:]
                assert process.poll() is None, said
                assert time.monotonic() < end, said
                time.sleep(0.3)
            yield app
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(app: Served) -> bool:
    try:
        return bool(app.metrics)
    except OSError:
        return False


class Visitor:
    """One open page."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._runs = 0

    @classmethod
    async def open(cls, app: Served, ping: float = 20.0) -> Visitor:
        """Open a page, which pings every *ping* seconds and gives up after as many without an answer."""
        address = f"ws://127.0.0.1:{app.port}/websocket/"
        # As a browser does, it goes on reading while nobody looks: behind what is unread wait the pongs.
        connection = await connect(
            address,
            ping_interval=ping,
            ping_timeout=ping,
            open_timeout=120,
            max_size=None,
            max_queue=None,
        )
        # A page tells which outputs can be seen; the others are not computed.
        shown = ("about_data", "validation-state", "kaplan_meier-state")
        data = {f".clientdata_output_{name}_hidden": False for name in shown}
        await connection.send(json.dumps({"method": "init", "data": data | {"example": "gbsg2"}}))
        return cls(connection)

    @property
    def is_lost(self) -> bool:
        """The connection has ended."""
        return self._connection.close_code is not None

    async def validate(self, rounds: int, seed: int) -> str:
        """Ask for the bootstrap, and return what the page says in the end; ``lost`` if it was closed."""
        form = {"time": "time", "event": "cens", "swap": False, "covariates": COVARIATES}
        return await self._run("validation", form | {"rounds": rounds, "seed": seed})

    async def survival(self, group: str) -> str:
        """Ask for Kaplan–Meier's curves of the groups of a column."""
        return await self._run(
            "kaplan_meier", {"time": "time", "event": "cens", "swap": False, "group": group}
        )

    async def echo(self, example: str) -> float:
        """Choose an example, and return after how many seconds the page tells of it."""
        began = time.perf_counter()
        await self._send({"example": example})
        await self._until("about_data", re.compile("strong"))
        return time.perf_counter() - began

    async def close(self) -> None:
        """Close the page."""
        await self._connection.close()

    async def _run(self, name: str, form: dict[str, Any]) -> str:
        self._runs += 1
        inputs = {f"{name}-{field}": value for field, value in form.items()}
        try:
            await self._send(inputs)
            await self._send({f"{name}-run:shiny.action": self._runs})
            return await self._until(f"{name}-state", _SETTLED)
        except ConnectionClosed:
            return "lost"

    async def _send(self, data: dict[str, Any]) -> None:
        await self._connection.send(json.dumps({"method": "update", "data": data}))

    async def _until(self, output: str, wanted: re.Pattern[str]) -> str:
        """Return the text of *output* when it is next told and *wanted* is in it."""
        async for message in self._connection:
            html = (json.loads(message).get("values") or {}).get(output)
            if html and wanted.search(html["html"]):
                return re.sub(r"<[^>]+>", "", html["html"]).strip()
        raise ConnectionClosed(None, None)


async def all_of(visitors: list[Visitor]) -> None:
    """Close the pages of *visitors*."""
    with suppress(ConnectionClosed):
        await asyncio.gather(*(visitor.close() for visitor in visitors))
