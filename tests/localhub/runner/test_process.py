"""The plain process engine: no shield, but the same life and the same end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.localhub.runner.conftest import Stand, ask, server

from spacehand.localhub.runner.engines.process import ProcessEngine
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

    async def scenario() -> tuple[set[str], str, bool, str]:
        app = await stand.start(source)
        await ask(app)
        await app.freeze()
        family = psutil.Process(app.pid).children(recursive=True)
        states = {one.status() for one in family if "relay.py" not in " ".join(one.cmdline())}
        asked = asyncio.create_task(ask(app))
        done, _ = await asyncio.wait([asked], timeout=0.3)
        await app.thaw()
        answer = await asked
        await app.freeze()
        await app.stop()
        return states, answer, bool(done), str(psutil.wait_procs(family, timeout=5)[1])

    assert asyncio.run(scenario()) == ({"stopped"}, "None", False, "[]")


def test_app_dies_with_a_killed_hub(stand: Stand, tmp_path: Path):
    """
    When the process that started the app is killed with SIGKILL, the app ends by itself.
    """
    script = tmp_path / "hub.py"
    script.write_text(
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from spacehand.localhub.runner.engines.process import ProcessEngine\n"
        "from tests.localhub.runner.conftest import Stand, ask, server\n"
        "async def main():\n"
        "    stand = Stand(ProcessEngine(), Path(sys.argv[1]))\n"
        "    app = await stand.start(server())\n"
        "    await ask(app)\n"
        "    print(app.pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).parents[3]
    hub = subprocess.Popen(
        [sys.executable, script, tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert hub.stdout is not None
    relay = psutil.Process(int(hub.stdout.readline()))
    family = [relay, *relay.children(recursive=True)]
    assert len(family) >= 2

    hub.send_signal(signal.SIGKILL)
    hub.wait()
    hub.stdout.close()

    assert psutil.wait_procs(family, timeout=10)[1] == []
