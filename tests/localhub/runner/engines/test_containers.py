"""What each engine that runs images does with an app whose Hub has died, or that sleeps."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiodocker
import psutil
import pytest
from tests.dockerd import Dockerd
from tests.localhub.runner.conftest import Heard, Stand, ask
from tests.localhub.runner.engines.conftest import MARK, build, engine_for
from tests.localhub.runner.engines.test_process import until

from spacehand.localhub.runner.engines._protocol import ImageEngine, RunSpec
from spacehand.localhub.runner.engines.docker import gives_gpus
from spacehand.localhub.runner.images.buildah import BuildahTool
from spacehand.localhub.runner.images.builder import Image
from spacehand.localhub.store.place import Place

pytestmark = pytest.mark.slow

# Says a number a hundred times a second.
TALKER = """
import http.server, os, signal, threading, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")
    def log_message(self, *_):
        pass
def talk():
    number = 0
    while True:
        print(number, flush=True)
        number += 1
        time.sleep(0.01)
threading.Thread(target=talk, daemon=True).start()
http.server.ThreadingHTTPServer(("0.0.0.0", 7860), Handler).serve_forever()
"""
HUB = """
import asyncio, json, sys, time
from pathlib import Path
from tests.localhub.runner.conftest import Heard, ask
from tests.localhub.runner.engines.conftest import engine_for
from tests.localhub.runner.engines.test_containers import family, prepared

async def main(kind, where, root, alone):
    engine = engine_for(kind, where, Path(root))
    spec = await prepared(engine, Path(root), float(alone))
    lines = Heard()
    app = await engine.start(spec, lines)
    await ask(app)
    while len(lines) < 20:
        await asyncio.sleep(0.01)
    pids = [one.pid for one in family(app.record())]
    print(json.dumps([app.record(), len(lines), pids]), flush=True)
    time.sleep(600)  # takes no more lines

asyncio.run(main(*sys.argv[1:]))
"""


async def prepared(engine: ImageEngine, root: Path, alone: float = 60) -> RunSpec:
    """Return what starts the talker in *engine*, its image built."""
    tag = f"spacehand-{MARK}/talker:1"
    await build(engine, tag, TALKER, root / "builds" / "talker")
    spec = Stand(engine, root).spec("")
    return replace(spec, image=Image(tag, 7860), environment={}, alone_seconds=alone, grace_seconds=20)


def killed_hub(kind: tuple[str, str], root: Path, alone: float) -> tuple[dict[str, Any], int, list[int]]:
    """Return the record of an app whose Hub was killed, how many of its lines that had, and its processes."""
    hub = subprocess.Popen(
        [sys.executable, "-c", HUB, *kind, root, str(alone)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert hub.stdout is not None
    record, known, pids = json.loads(hub.stdout.readline())
    hub.send_signal(signal.SIGKILL)
    hub.wait()
    hub.stdout.close()
    return record, known, pids


async def ended(pids: list[int]) -> None:
    """Return once none of *pids* runs any more."""
    await until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


def family(record: dict[str, Any]) -> list[psutil.Process]:
    """Return the keeper, all below it, and the container's processes."""
    tops = [psutil.Process(record[name]) for name in ("pid", "container_pid") if name in record]
    return [one for top in tops for one in (top, *top.children(recursive=True))]


def another(name: str, root: Path) -> ImageEngine:
    """Return an engine whose app it is not."""
    return engine_for(*(("buildah", "/nowhere") if name == "docker" else ("docker", "")), root / "another")


async def left(engine: ImageEngine, where: str) -> list[str]:
    """Return the containers that are there, running or not."""
    if isinstance(engine.builder.tool, BuildahTool):
        return await engine.builder.tool.containers()
    async with aiodocker.Docker(where) as docker:
        wanted = {"label": [f"spacehand.hub={MARK}"]}
        return [one.id for one in await docker.containers.list(all=True, filters=wanted)]


def test_a_container_ends_by_itself_when_no_hub_comes(kind: tuple[str, str], place: Place):
    """
    A container whose Hub was killed with SIGKILL has its time alone, and then no process of it is left.
    """
    _, _, pids = killed_hub(kind, place.root, 0.5)
    assert len(pids) >= 4

    async def swept() -> list[str]:
        async with asyncio.timeout(60):
            await ended(pids)
        engine = engine_for(*kind, place.root)
        await engine.sweep()
        return await left(engine, kind[1])

    assert asyncio.run(swept()) == []


def test_a_container_is_adopted_by_the_next_hub(kind: tuple[str, str], place: Place):
    """
    The container of a killed Hub goes on with the next one: every line once and in order, frozen and thawed.
    """
    record, known, pids = killed_hub(kind, place.root, 60)
    heard = Heard(str(number) for number in range(known))
    heard.mark = str(known)

    async def scenario() -> tuple[str, int, int, int]:
        engine = engine_for(*kind, place.root)
        spec = await prepared(engine, place.root / "second")
        spec = replace(spec, control=place.root / "1.keep", socket=place.root / "1.sock")
        assert await another(kind[0], place.root).adopt(record, spec, heard) is None
        app = await engine.adopt(record, spec, heard)
        assert app is not None
        await engine.sweep()  # spares what was adopted
        answer = await ask(app)
        await until(lambda: len(heard) >= known + 100)
        await app.freeze()
        used = app.cpu_seconds()
        asked = asyncio.create_task(ask(app))
        done, _ = await asyncio.wait([asked], timeout=0.5)
        more = app.cpu_seconds() - used
        await app.thaw()
        assert await asked == "hello"
        await app.freeze()
        await app.stop()
        await ended(pids)
        return answer, len(done), round(more, 1), await app.wait()

    answer, answered_asleep, used_asleep, code = asyncio.run(scenario())

    assert (answer, answered_asleep, used_asleep, code) == ("hello", 0, 0, 3)
    assert heard == [str(number) for number in range(len(heard))]


@pytest.mark.docker
def test_graphics_processors_are_asked_of_the_daemon(dockerd: Dockerd, place: Place, tmp_path: Path):
    """
    An app gets them where the daemon has a runtime for them and the machine has some; another daemon refuses.
    """

    async def refused() -> tuple[bool, list[str]]:
        engine = engine_for("docker", dockerd.host, place.root)
        spec = replace(await prepared(engine, place.root), gpus=1)
        with pytest.raises(OSError, match="gpu"):
            await engine.start(spec, Heard())
        return (await engine.capabilities()).gpus, await left(engine, dockerd.host)

    assert asyncio.run(refused()) == (False, [])
    told = {"Runtimes": {"runc": {}, "nvidia": {}}}
    assert not gives_gpus(told, tmp_path)
    (tmp_path / "nvidiactl").touch()
    assert gives_gpus(told, tmp_path)
    assert not gives_gpus({"Runtimes": {"runc": {}}}, tmp_path)
