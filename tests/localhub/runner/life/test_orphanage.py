"""What a killed Hub leaves behind goes on with the next one, or ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.localhub.runner.workshop import Workshop, workshop

from spacehand.ids import RepoId, RepoKind
from spacehand.localhub.store.place import Place

# A Hub that does what the lines of its input say, until it is killed.
HUB = """
import asyncio, json, sys
from pathlib import Path
from tests.localhub.runner.conftest import server
from tests.localhub.runner.life.test_orphanage import COUNTER
from tests.localhub.runner.workshop import Workshop, workshop
from spacehand.localhub.spaces.store import Entry
from spacehand.localhub.store.place import Place
from spacehand.stage import Stage

async def main():
    async with workshop(Place(Path(sys.argv[1]))) as shop:
        repo = shop.space()
        shop.push(repo, COUNTER)
        await shop.until(repo, Stage.RUNNING)
        await {doing}
        pid = int((await shop.get(repo, "/pid"))[1]) if {asks} else 0
        print(json.dumps(pid), flush=True)
        await asyncio.sleep(600)

async def nothing():
    pass

async def two_replicas(shop, repo):
    shop.hub.spaces.request_hardware(repo, "cpu-upgrade")
    shop.hub.spaces.set_replicas(repo, 2)
    await shop.runner.settings_changed(repo)
    async for runtime in shop.runner.events(repo):
        if runtime["stage"] == "RUNNING" and runtime["replicas"]["current"] == 2:
            return

asyncio.run(main())
"""
COUNTER = """
import http.server, os, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = str(os.getpid()).encode()
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
        time.sleep(0.01)
threading.Thread(target=count, daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def killed_hub(place: Place, doing: str = "nothing()", *, asks: bool = True) -> int:
    """Return the process id of an app whose Hub has done *doing* and was killed."""
    hub = subprocess.Popen(
        [sys.executable, "-c", HUB.format(doing=doing, asks=asks), place.root],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert hub.stdout is not None
    pid: int = json.loads(hub.stdout.readline())
    hub.send_signal(signal.SIGKILL)
    hub.wait()
    hub.stdout.close()
    return pid


def next_hub(place: Place, story: Callable[[Workshop], Awaitable[Any]]) -> None:
    async def told() -> None:
        async with workshop(place) as shop:
            await story(shop)

    asyncio.run(told())


def test_an_app_that_served_goes_on_at_once(place: Place):
    """
    The next Hub answers with the same process before it has started anything, and no line of the log is lost.
    """
    pid = killed_hub(place)

    async def story(shop: Workshop) -> None:
        repo = shop.hub.repos.get(RepoKind.SPACE, RepoId("ada", "demo"))
        runtime = shop.runner.runtime(repo)
        assert (runtime["stage"], runtime["sha"]) == ("RUNNING", runtime["spacehand"]["wanted"])
        assert await shop.get(repo) == (200, str(pid))
        assert shop.builder.built == []
        lines = [line for line in shop.log(repo).splitlines() if line.isdigit()]
        while len(lines) < 200:
            await asyncio.sleep(0.02)
            lines = [line for line in shop.log(repo).splitlines() if line.isdigit()]
        assert lines == [str(number) for number in range(len(lines))]
        await shop.runner.pause(repo)
        assert not psutil.pid_exists(pid)

    next_hub(place, story)
    assert list(place.sockets.iterdir()) == []


@pytest.mark.slow
def test_a_frozen_app_is_adopted_and_still_sleeps(place: Place):
    """
    An app that was frozen sleeps on under the next Hub, and answers a request as the same process.
    """
    pid = killed_hub(place, "shop.runner.sleep(repo)", asks=False)
    assert pid == 0

    async def story(shop: Workshop) -> None:
        repo = shop.hub.repos.get(RepoKind.SPACE, RepoId("ada", "demo"))
        assert shop.runner.runtime(repo)["stage"] == "SLEEPING"
        assert shop.runner._space(repo).is_dozing
        assert (await shop.get(repo))[0] == 200
        assert shop.builder.built == []

    next_hub(place, story)


@pytest.mark.slow
@pytest.mark.parametrize("is_one_lost", [False, True])
def test_all_replicas_go_on_and_one_that_was_lost_is_replaced(place: Place, is_one_lost: bool):
    """
    The next Hub answers with the processes of both replicas; where one was killed while there was no Hub,
    with that of the other, and soon with a second.
    """
    pid = killed_hub(place, "two_replicas(shop, repo)")
    with closing(sqlite3.connect(place.database)) as connection:
        (state,) = connection.execute("SELECT state FROM space_runs").fetchone()
    before = set(json.loads(state)["replicas"])
    assert len(before) == 2
    if is_one_lost:
        psutil.Process(pid).kill()

    async def story(shop: Workshop) -> None:
        repo = shop.hub.repos.get(RepoKind.SPACE, RepoId("ada", "demo"))
        space = shop.runner._space(repo)
        async for runtime in shop.runner.events(repo):
            assert runtime["stage"] == "RUNNING"
            assert (await shop.get(repo))[0] == 200
            if len(space.state.replicas) == 2 and (set(space.state.replicas) != before) is is_one_lost:
                break
        assert len(before & set(space.state.replicas)) == 2 - is_one_lost
        found = {int((await shop.get(repo))[1]) for _ in range(4)}
        assert len(found) == 2
        assert (pid in found) is not is_one_lost
        assert len(shop.builder.built) == is_one_lost  # from what is there already

    next_hub(place, story)


@pytest.mark.slow
def test_an_app_with_old_settings_answers_until_its_successor_does(place: Place):
    """
    A variable that was set just before the Hub was killed reaches the app: it is started anew, without a gap.
    """
    pid = killed_hub(place, 'asyncio.to_thread(shop.hub.spaces.set_variable, repo, Entry("A", "b"))')

    async def story(shop: Workshop) -> None:
        repo = shop.hub.repos.get(RepoKind.SPACE, RepoId("ada", "demo"))
        assert shop.runner.runtime(repo)["stage"] == "RUNNING_APP_STARTING"
        answers = [await shop.get(repo)]
        while answers[-1][1] == str(pid):
            answers.append(await shop.get(repo))
        assert {status for status, _ in answers} == {200}

    next_hub(place, story)


@pytest.mark.slow
def test_an_app_of_whose_start_no_note_was_made_is_ended(place: Place):
    """
    A Hub that was killed between the start of an app and the note of it leaves one that the next Hub finds.
    """
    pid = killed_hub(place)

    async def story(shop: Workshop) -> None:
        assert not psutil.pid_exists(pid)

    with closing(sqlite3.connect(place.database, isolation_level=None)) as connection:
        connection.execute("DELETE FROM space_replicas")
    next_hub(place, story)
