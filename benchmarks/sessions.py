"""Ten open pages while somebody runs a long job: how many are lost, and how long others wait for an echo."""

from __future__ import annotations

import asyncio
import json
import math
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tests.environments import environment_with

from benchmarks.figure import Figure

APP = Path(__file__).parent / "sessions_app.py"
RUNTIME = str(Path(__file__).parent.parent / "runtime")
CLIENTS = 10
_TOO_MUCH = 2_000_000_000  # bytes; more than a job of this app may take


@dataclass(frozen=True)
class Load:
    """How long the job runs, and how often each client pings and gives up without an answer; in seconds."""

    job: int = 45
    ping: float = 20.0


@dataclass(frozen=True)
class Seen:
    """
    What the clients saw: connections lost, seconds each echo took, and what came of the jobs.

    *meanwhile*: for each client that ran no job, how many echoes it got while the jobs ran.
    """

    dropped: int
    echoes: list[float]
    meanwhile: list[int]
    answers: list[str]

    @property
    def p99(self) -> float:
        """Seconds that 99 of 100 echoes did not exceed (nearest rank)."""
        ordered = sorted(self.echoes)
        return ordered[max(0, math.ceil(0.99 * len(ordered)) - 1)]


def run(load: Load = Load()) -> list[Figure]:
    """Measure both frameworks, with the queue and with a thread of the server in its place."""
    figures = []
    for framework in ("gradio", "shiny"):
        ours, peer = measure(framework, "queue", load), measure(framework, "thread", load)
        what = f"{framework}, {load.job} s in C code, pings every {load.ping:g} s"
        lost = Figure(
            f"Lost of 10 pages: {what}", "the same app with a thread", [ours.dropped], [peer.dropped], 0.0, ""
        )
        figures.append(lost)
        figures.append(Figure(f"Echo, p99: {what}", "the promise", [ours.p99], [0.5], 1.0))
    return figures


def measure(framework: str, kind: str, load: Load) -> Seen:
    """Open the pages, run the jobs, and return what was seen."""
    with _served(framework, kind) as port:
        return asyncio.run(_visit(framework, kind, port, load))


@contextmanager
def _served(framework: str, kind: str) -> Iterator[int]:
    package = {"gradio": "gradio==6.31.0", "shiny": "shiny==1.8.0"}[framework]
    python = environment_with(package, "websockets", RUNTIME)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    # -P: what lies beside the app, such as a `queue.py`, is not what the app imports.
    command = [str(python), "-P", str(APP), framework, kind, str(port)]
    process = subprocess.Popen(command, env=os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"})
    try:
        deadline = time.monotonic() + 300
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, "the app ended"
            assert time.monotonic() < deadline, "the app does not listen"
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:  # it is in that C call
            process.kill()
            process.wait()


async def _visit(framework: str, kind: str, port: int, load: Load) -> Seen:
    from websockets.asyncio.client import connect

    address = f"ws://127.0.0.1:{port}/websocket/"
    often = {"ping_interval": load.ping, "ping_timeout": load.ping, "open_timeout": 60}
    opened = [await connect(address, **often) for _ in range(CLIENTS)]
    for connection in opened:
        await connection.send(json.dumps({"method": "init", "data": {}}))
    echoes: list[list[float]] = [[] for _ in opened[1:]]
    over = asyncio.Event()
    echoing = [
        asyncio.create_task(_echo(framework, connection, kept, over))
        for connection, kept in zip(opened[1:], echoes, strict=True)
    ]
    # A job that eats the memory would end a server without workers at once: it is left out there.
    jobs = [("hold", load.job), ("eat", _TOO_MUCH)] if kind == "queue" else [("hold", load.job)]
    ask = _ask_gradio if framework == "gradio" else _ask_shiny
    before = [len(kept) for kept in echoes]
    answers = [await ask(opened[0], port, *job) for job in jobs]
    meanwhile = [len(kept) - count for kept, count in zip(echoes, before, strict=True)]
    await asyncio.sleep(load.ping)  # a page that was given up says so by now
    over.set()
    await asyncio.gather(*echoing)
    dropped = sum(connection.close_code is not None for connection in opened)
    await asyncio.gather(*(connection.close() for connection in opened))
    return Seen(dropped, list(chain.from_iterable(echoes)), meanwhile, answers)


async def _echo(framework: str, connection: Any, kept: list[float], over: asyncio.Event) -> None:
    """Ask the app for an echo four times a second, as long as the connection holds."""
    from websockets.exceptions import ConnectionClosed

    number = 0
    with suppress(ConnectionClosed):
        while not over.is_set():
            number += 1
            asked = {"method": "update", "data": {"echo": number}}
            answer = {"custom": {"echo": number}} if framework == "shiny" else asked
            began = time.perf_counter()
            await connection.send(json.dumps(asked))
            while json.loads(await connection.recv()) != answer:
                pass  # what the page is told besides
            kept.append(time.perf_counter() - began)
            await asyncio.sleep(0.25)


async def _ask_shiny(connection: Any, _port: int, job: str, size: int) -> str:
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed):
        await connection.send(json.dumps({"method": "update", "data": {"run": [job, size]}}))
        async for text in connection:
            if "answer" in (said := json.loads(text).get("custom") or {}):
                return str(said["answer"])
    return "lost"


async def _ask_gradio(_connection: Any, port: int, job: str, size: int) -> str:
    """Ask as Gradio's page does: one call starts it, a stream of events brings the answer."""
    import aiohttp

    url = f"http://127.0.0.1:{port}/gradio_api/call/run"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(None)) as session:
        async with session.post(url, json={"data": [job, size]}) as response:
            event = (await response.json())["event_id"]
        async with session.get(f"{url}/{event}") as response:
            said = await response.text()
    return str(json.loads(said.rpartition("data: ")[2])[0])
