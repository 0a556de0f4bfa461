"""The plain process engine: no shield, but the same life and the same end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests import needs
from tests.localhub.runner.conftest import Heard, Stand, ask, server

from spacehand.localhub.runner.engines.process import ProcessEngine
from spacehand.localhub.runner.engines.sandbox import SandboxEngine
from spacehand.localhub.store.place import Place


@pytest.fixture
def stand(place: Place) -> Stand:
    return Stand(ProcessEngine(), place.root)


def test_app_answers_on_a_port_of_its_own_with_a_clean_environment(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
):
    """
    The app gets the environment it was given and nothing of the Hub's.
    """
    monkeypatch.setenv("HUB_SECRET", "x")

    async def scenario() -> str:
        app = await stand.start(server("self.say(os.environ.get('HUB_SECRET', 'clean'))"))
        answer = await ask(app)
        await app.stop()
        return answer

    assert asyncio.run(scenario()) == "clean"


def test_killed_app_is_137(stand: Stand):
    """
    Death by SIGKILL is exit code 137, as in a container.
    """

    async def scenario() -> int:
        app = await stand.start(server())
        await ask(app)
        app.kill()
        return await app.wait()

    assert asyncio.run(scenario()) == 137


def test_memory_counts_what_the_app_holds(stand: Stand):
    """
    A hundred megabytes that the app allocates are seen.
    """
    source = server(before="hold = b'x' * 100_000_000")

    async def scenario() -> int:
        app = await stand.start(source)
        await ask(app)
        held = app.memory(enough=50_000_000)
        await app.stop()
        return held

    assert asyncio.run(scenario()) > 100_000_000


def test_a_frozen_app_stands_still_and_goes_on_where_it_was(stand: Stand):
    """
    Frozen, the app and its children do nothing; thawed, they answer what was asked meanwhile; stop ends both.
    """
    source = server(
        "self.say(str(counter.poll()))",
        before="import subprocess\ncounter = subprocess.Popen([sys.executable, '-c', 'while True: pass'])",
    )

    async def scenario() -> tuple[int, str, bool, str]:
        app = await stand.start(source)
        await ask(app)
        await app.freeze()
        family = psutil.Process(app.pid).children(recursive=True)
        apps = [one for one in family if "relay.py" not in " ".join(one.cmdline())]
        await until(lambda: {one.status() for one in apps} == {"stopped"})
        asked = asyncio.create_task(ask(app))
        done, _ = await asyncio.wait([asked], timeout=0.3)
        await app.thaw()
        answer = await asked
        await app.freeze()
        await app.stop()
        return len(apps), answer, bool(done), str(psutil.wait_procs(family, timeout=5)[1])

    assert asyncio.run(scenario()) == (2, "None", False, "[]")


async def until(true: Callable[[], bool]) -> None:
    """Return once *true* says so."""
    while not true():  # noqa: ASYNC110 - nothing tells of a process's state
        await asyncio.sleep(0.01)


def test_nothing_is_left_when_the_relay_is_killed(stand: Stand):
    """
    Killed with SIGKILL, the relay takes the app with it, and what the app started in a session of its own.
    """
    child = "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)"

    async def scenario() -> tuple[int, int, int]:
        app = await stand.start(server(before=child))
        await ask(app)
        family = psutil.Process(app.pid).children(recursive=True)
        psutil.Process(app.pid).children()[0].kill()
        code = await app.wait()
        return code, len(family), len(psutil.wait_procs(family, timeout=5)[1])

    assert asyncio.run(scenario()) == (137, 3, 0)


HUB = """
import asyncio, sys, time
from dataclasses import replace
from pathlib import Path
from tests.localhub.runner.conftest import Stand, ask
from tests.localhub.runner.engines.test_process import ENGINES, TALKER

async def main():
    stand = Stand(ENGINES[sys.argv[1]](), Path(sys.argv[2]))
    spec = replace(stand.spec(TALKER), alone_seconds=float(sys.argv[3]))
    app = await stand.engine.start(spec, stand.lines)
    await ask(app)
    while len(stand.lines) < 20:
        await asyncio.sleep(0.01)
    print(app.pid, app.record()["port"], len(stand.lines), flush=True)
    time.sleep(600)  # takes no more lines

asyncio.run(main())
"""
# Says a number a hundred times a second.
TALKER = server(
    before="""
import threading, time
Handler.log_message = lambda *_: None
def talk():
    number = 0
    while True:
        print(number, flush=True)
        number += 1
        time.sleep(0.01)
threading.Thread(target=talk, daemon=True).start()
"""
)
ENGINES = {"process": ProcessEngine, "sandbox": SandboxEngine}


def killed_hub(engine: str, root: Path, alone: float) -> tuple[list[psutil.Process], int | None, int]:
    """Return the keeper and all below it, the app's port, and how many of its lines a Hub got, dead now."""
    hub = subprocess.Popen(
        [sys.executable, "-c", HUB, engine, root, str(alone)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert hub.stdout is not None
    pid, port, lines = hub.stdout.readline().split()
    hub.send_signal(signal.SIGKILL)
    hub.wait()
    hub.stdout.close()
    keeper = psutil.Process(int(pid))
    return [keeper, *keeper.children(recursive=True)], None if port == "None" else int(port), int(lines)


def test_app_ends_by_itself_when_no_hub_comes(stand: Stand, place: Place):
    """
    After its Hub was killed with SIGKILL the app is given its time alone, and then nothing of it is left.
    """
    family, _, _ = killed_hub("process", place.root, 0.5)
    assert len(family) >= 3
    assert psutil.wait_procs(family, timeout=10)[1] == []


@pytest.mark.parametrize("engine", ["process", pytest.param("sandbox", marks=pytest.mark.sandbox)])
def test_app_is_adopted_by_the_next_hub(engine: str, place: Place):
    """
    The app of a killed Hub goes on with the next one: same process, every line once and in order, same end.
    """
    if engine == "sandbox":
        needs.bwrap()
    family, port, known = killed_hub(engine, place.root, 30)

    async def scenario() -> tuple[int, str, Heard, int]:
        stand = Stand(ENGINES[engine](), place.root / "second")
        spec = replace(
            stand.spec(""), control=place.root / "1.keep", socket=place.root / "1.sock", grace_seconds=2
        )
        heard = Heard(str(number) for number in range(known))
        heard.mark = str(known)
        app = await stand.engine.adopt({"pid": family[0].pid, "port": port}, spec, heard)
        assert app is not None
        answer = await ask(app)
        await until(lambda: len(heard) >= known + 100)
        await app.stop()
        assert await stand.engine.adopt({"pid": family[0].pid, "port": port}, spec, heard) is None
        return app.pid, answer, heard, await app.wait()

    pid, answer, heard, code = asyncio.run(scenario())

    assert (pid, answer, code) == (family[0].pid, "hello", 143)
    assert heard == [str(number) for number in range(len(heard))]
    assert psutil.wait_procs(family, timeout=5)[1] == []
