"""
A Hub that lives fifty times: each life comes back from the last, is put to work, and is killed with SIGKILL.

Runs as a program of its own: every life is a fork of one that has everything imported.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from tests.localhub.runner.workshop import BareBuilder, Workshop, workshop
from tests.resilience.ledger import traces

from spacehand.ids import RepoId, RepoKind
from spacehand.localhub.errors import HubError
from spacehand.localhub.repos.store import Repo
from spacehand.localhub.runner.build.builder import Built
from spacehand.localhub.runner.engines._protocol import Engine
from spacehand.localhub.runner.engines.process import ProcessEngine
from spacehand.localhub.runner.engines.sandbox import SandboxEngine
from spacehand.localhub.spaces.store import Entry
from spacehand.localhub.store.place import Place
from spacehand.stage import Stage

LONGEST_LIFE = 2.0  # seconds; a build, a start and a swap take about one
APP = """
import http.server, os, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"{number}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
def count():
    number = 0
    while True:
        print(number, flush=True)
        number += 1
        time.sleep(0.005)
threading.Thread(target=count, daemon=True).start()
address = os.environ["GRADIO_SERVER_NAME"], int(os.environ["GRADIO_SERVER_PORT"])
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""


class SlowBuilder(BareBuilder):
    """Takes its time, so that a kill can meet a build."""

    async def build(self, *arguments: Any, **options: Any) -> Built:
        await asyncio.sleep(0.3)
        return await super().build(*arguments, **options)


async def live(place: Place, engine: Engine, number: int, ready: int) -> None:
    """Come back, be in order, and go to work."""
    async with workshop(place, engine=engine, builder=SlowBuilder()) as shop:
        repo = _space(shop)
        if number:
            await _in_order(shop, repo)
        os.write(ready, b"x")
        chance = random.Random(number)  # noqa: S311 - repeatable, not secret
        works = ["push", "push", "restart", "sleep", "variable", "replicas"]
        work = chance.choice(works) if number else "push"
        if work == "push":
            shop.push(repo, APP.replace("{number}", str(number)))
        elif work == "restart":
            await shop.runner.restart(repo)
        elif work == "sleep":
            await shop.runner.sleep(repo)
            await asyncio.sleep(chance.uniform(0, 0.5))
            await shop.get(repo)
        elif work == "replicas":
            shop.hub.spaces.set_replicas(repo, chance.choice([1, 2, 3]))
            await shop.runner.replicas_changed(repo)
        else:
            shop.hub.spaces.set_variable(repo, Entry("NUMBER", str(number)))
            await shop.runner.settings_changed(repo)
        await asyncio.sleep(600)


async def end(place: Place, engine: Engine) -> None:
    """Come back for good and stop as one should: nothing is left."""
    async with workshop(place, engine=engine) as shop:
        await _in_order(shop, _space(shop))
    assert list(place.sockets.iterdir()) == []
    assert not (left := _at_work(place)), left


async def _in_order(shop: Workshop, repo: Repo) -> None:
    head = shop.hub.repos.snapshot(repo, "main").sha
    await _no_orphans(shop)
    if shop.runner.runtime(repo)["stage"] == "SLEEPING":
        assert (await shop.get(repo))[0] == 200
    wanted = shop.hub.spaces.public_settings(repo).replicas
    async for runtime in shop.runner.events(repo):
        assert not Stage(runtime["stage"]).is_error, runtime
        is_up = runtime["stage"] == "RUNNING" and runtime["sha"] == head
        if is_up and runtime["replicas"]["current"] == wanted:
            break
    assert (await shop.get(repo))[0] == 200
    _require_whole_log(shop.hub.place.space(repo.id) / "logs")


async def _no_orphans(shop: Workshop) -> None:
    """Return once the Hub knows every app there is: a replica that it starts counts when it is healthy."""
    deadline = time.monotonic() + 15
    while True:
        at_work = await asyncio.to_thread(_at_work, shop.hub.place)
        known = await asyncio.to_thread(_known, shop)
        others = [one for one in at_work if one.pid not in known and one.is_running()]
        if not others:
            return
        assert time.monotonic() < deadline, f"orphans: {others}"
        await asyncio.sleep(0.05)


def _known(shop: Workshop) -> set[int]:
    """Return this process and every app that the Hub knows, with all below it."""
    found = {os.getpid()} | {one.pid for one in psutil.Process().children(recursive=True)}
    for space in shop.runner._spaces.values():
        fleets = [fleet for fleet in (space._duty.serving, space._duty.dozing) if fleet is not None]
        for replica in (member for fleet in fleets for member in fleet.members):
            if replica.app is not None:
                keeper = psutil.Process(replica.app.pid)
                found |= {keeper.pid, *(one.pid for one in keeper.children(recursive=True))}
    return found


def _at_work(place: Place) -> list[psutil.Process]:
    """Return every process that has to do with the Hub's folder, but this one and its parent."""
    mine = (os.getpid(), os.getppid())
    return [
        one
        for one in psutil.process_iter()
        if one.pid not in mine and any(str(place.root) in trace for trace in traces(one))
    ]


def _require_whole_log(folder: Path) -> None:
    """Fail unless each app's numbered lines follow each other, none missing and none twice."""
    for name in ("run.previous.jsonl", "run.jsonl"):
        path = folder / name
        marks: dict[str, list[int]] = {}
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # torn by a kill; the line was sent again
            if "mark" in entry:
                marks.setdefault(entry["source"], []).append(int(entry["mark"]))
        for source, numbers in marks.items():
            assert all(after == before + 1 for before, after in pairwise(numbers)), (name, source, numbers)


def _space(shop: Workshop) -> Repo:
    try:
        return shop.hub.repos.get(RepoKind.SPACE, RepoId("ada", "demo"))
    except HubError:
        repo = shop.space()
        shop.hub.spaces.request_hardware(repo, "cpu-upgrade")
        return repo


def main() -> None:
    folder, engine_name, *numbers = sys.argv[1:]
    place, (seed, lives) = Place(Path(folder)), map(int, numbers)
    engine: Engine = SandboxEngine() if engine_name == "sandbox" else ProcessEngine()
    asyncio.run(engine.capabilities())
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    for number in range(lives):
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                asyncio.run(live(place, engine, number, writing))
            finally:
                sys.stderr.flush()
        os.close(writing)
        came_back = os.read(reading, 1)
        os.close(reading)
        if came_back:
            time.sleep(chance.uniform(0, LONGEST_LIFE))
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit(f"life {number} of seed {seed} ended by itself")
    asyncio.run(end(place, engine))
    print(f"{lives} lives")


if __name__ == "__main__":
    main()
