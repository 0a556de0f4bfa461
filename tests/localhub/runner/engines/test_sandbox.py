"""The sandbox keeps what it promises, tried from inside."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests import needs
from tests.localhub.runner.conftest import Stand, ask, server

from spacehand.localhub.runner.build.interpreter import available
from spacehand.localhub.runner.engines._protocol import HubAccess, Listener
from spacehand.localhub.runner.engines.sandbox import SandboxEngine
from spacehand.localhub.store.place import Place

pytestmark = pytest.mark.sandbox


@pytest.fixture
def stand(place: Place) -> Stand:
    needs.bwrap()
    return Stand(SandboxEngine(), place.root)


def test_the_sandbox_is_tried_before_it_is_used(stand: Stand):
    """
    Capabilities come from a real run inside the sandbox, not from finding a program.
    """
    assert asyncio.run(stand.engine.capabilities()).works


def test_app_runs_as_uid_1000_in_app_and_may_write_there(stand: Stand):
    """
    The app has uid 1000, /app is its folder, also as /home/user/app, and /usr is not its own to change.
    """
    source = server(
        "self.say(json.dumps(facts()))",
        before="""
import json, pathlib
def writable(path):
    try: pathlib.Path(path).write_text("x"); return True
    except OSError: return False
def facts():
    paths = ("/app/new", "/home/user/new", "/tmp/new", "/usr/new", "/opt/new", "/etc/passwd")
    return {"uid": os.getuid(), "groups": os.getgroups(), "cwd": os.getcwd(),
            "home": os.path.exists("/home/user/app/app.py"), "writes": [writable(p) for p in paths]}
""",
    )

    async def scenario() -> dict[str, object]:
        app = await stand.start(source)
        found: dict[str, object] = json.loads(await ask(app))
        await app.stop()
        return found

    assert asyncio.run(scenario()) == {
        "uid": 1000,
        "groups": [],
        "cwd": "/app",
        "home": True,
        "writes": [True, True, True, False, False, False],
    }


def test_app_sees_neither_the_hub_nor_the_host(stand: Stand, place: Place):
    """
    The owner's token, another Space's files, the user's home and the host's processes are not there.
    """
    place.token_file.write_text("hf_secret")
    source = server(
        "self.say(json.dumps(facts()))",
        before="""
import json, glob
def readable(path):
    try: open(path).read(); return True
    except OSError: return False
def facts():
    paths = json.loads(os.environ["PATHS"])
    return [readable(p) for p in paths] + [len(glob.glob("/proc/[0-9]*")) < 8]
""",
    )
    paths = [
        place.token_file,
        Path.home() / ".bashrc",
        Path.home() / ".profile",
        "/etc/shadow",
        Path(__file__),
    ]

    async def scenario() -> list[bool]:
        app = await stand.start(source, {"PATHS": json.dumps([str(path) for path in paths])})
        found: list[bool] = json.loads(await ask(app))
        await app.stop()
        return found

    assert asyncio.run(scenario()) == [False] * len(paths) + [True]


def test_app_reaches_the_hub_at_its_own_url_and_nothing_else(stand: Stand, place: Place):
    """
    The Hub's port answers inside the sandbox; any other port of the host's loopback does not.
    """
    source = server(
        "self.say(json.dumps([reach(int(p)) for p in os.environ['PORTS'].split()]))",
        before="""
import json, socket
def reach(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 3) as s:
            return s.recv(100).decode()
    except OSError as error:
        return type(error).__name__
""",
    )

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"the hub")
        writer.close()

    async def scenario() -> list[str]:
        path = place.socket
        hub = await asyncio.start_unix_server(greet, path)
        path.chmod(0o666)
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            stand.hub = HubAccess("http://127.0.0.1:7870", 7870, path)
            app = await stand.start(source, {"PORTS": f"7870 {port}"})
            found: list[str] = json.loads(await ask(app))
            await app.stop()
        hub.close()
        return found

    assert asyncio.run(scenario()) == ["the hub", "ConnectionRefusedError"]


def test_secrets_are_on_no_command_line(stand: Stand):
    """
    A secret reaches the app's environment; no argument of any process shows it.
    """

    async def scenario() -> tuple[str, str]:
        app = await stand.start(server("self.say(os.environ['TOKEN'])"), {"TOKEN": "s3cr3t-value"})
        answer = await ask(app)
        everything = " ".join(" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"]))
        await app.stop()
        return answer, everything

    answer, everything = asyncio.run(scenario())
    assert answer == "s3cr3t-value"
    assert "s3cr3t-value" not in everything


def test_environment_cannot_act_before_rights_are_dropped(stand: Stand):
    """
    LD_PRELOAD and PYTHONSTARTUP of the Space act on the app alone: the relay's environment is not the app's.
    """
    source = server(
        "self.say(str(sorted(k for k in relay() if k.startswith(('LD_', 'TOKEN')))))",
        before="""
def relay():
    raw = open(f"/proc/{os.getppid()}/environ").read()
    return [part.partition("=")[0] for part in raw.split(chr(0))]
""",
    )

    async def scenario() -> str:
        app = await stand.start(source, {"LD_PRELOAD": "/app/evil.so", "TOKEN": "x"})
        answer = await ask(app)
        await app.stop()
        return answer

    assert asyncio.run(scenario()) == "[]"


def test_listeners_of_the_sandbox_are_seen_from_outside(stand: Stand):
    """
    Where the app listens is known without asking it.
    """

    async def scenario() -> frozenset[Listener]:
        app = await stand.start(server(port="7860"))
        await ask(app)
        found = app.listeners()
        await app.stop()
        return found

    assert asyncio.run(scenario()) == {Listener("0.0.0.0", 7860)}


def test_exit_code_and_last_words_come_out(stand: Stand):
    """
    The app's exit code is ours, and so is what it printed last without a newline.
    """

    async def scenario() -> int:
        app = await stand.start("import sys; print('bye', end='', flush=True); sys.exit(3)")
        return await app.wait()

    assert asyncio.run(scenario()) == 3
    assert stand.lines == ["bye"]


def test_killed_app_is_137(stand: Stand):
    """
    The app killed from outside, as for its memory, ends the whole sandbox with exit code 137.
    """

    async def scenario() -> int:
        app = await stand.start(server())
        await ask(app)
        app.kill()
        return await app.wait()

    assert asyncio.run(scenario()) == 137


def test_stop_ends_the_app_and_what_it_started(stand: Stand):
    """
    After stop nothing of the app is left, not even a child in a session of its own that ignores SIGTERM.
    """
    source = server(
        "self.say('x')",
        before="""
import subprocess
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
""",
    )

    async def scenario() -> tuple[list[int], list[int]]:
        app = await stand.start(source)
        await ask(app)
        before = [one.pid for one in psutil.Process(app.pid).children(recursive=True)]
        await app.stop()
        return before, [pid for pid in before if psutil.pid_exists(pid)]

    before, after = asyncio.run(scenario())
    assert len(before) >= 4
    assert after == []


def test_every_python_of_this_machine_carries_the_relay(stand: Stand):
    """
    The relay runs under the Space's own Python, whichever of those here it is, and loses no early byte.
    """

    async def scenario() -> None:
        newest = {one.minor: one for one in available()}
        for interpreter in newest.values():
            spec = replace(stand.spec(server()), interpreter=interpreter)
            app = await stand.engine.start(spec, stand.lines)
            assert await ask(app) == "hello", interpreter
            await app.stop()

    asyncio.run(scenario())
    assert not [line for line in stand.lines if "Traceback" in line]
