"""A secret on its whole way, from the shell that has it to the app that needs it, is seen nowhere else."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest
from starlette.routing import Route
from tests.conftest import HubProcess

from spacehand.localhub.app import TABLE

SPACE = "ada/demo"
LENGTH = 4711  # told nowhere either
SECRET = "canary-" + "s" * (LENGTH - 7)
_LENGTH_TOLD = re.compile(rb"(?<![\w.:-])%d(?![\w.:-])" % LENGTH)
APP = """
import os
import gradio as gr
with gr.Blocks() as demo:
    gr.Markdown("the secret is here" if os.environ["API_KEY"].startswith("canary-") else "it is not")
{more}
demo.launch()
"""
TOML = """
[space]
repo = "ada/demo"
sdk = "gradio"
[variables]
COLOR = "blue"
[secrets]
API_KEY = { env = "MY_KEY" }
"""
README = "---\ntitle: Demo\nsdk: gradio\nsdk_version: 6.31.0\n---\n"


@dataclass
class Witness:
    """Everything that was said while a secret was about, by whom."""

    said: dict[str, bytes] = field(default_factory=dict)

    def hears(self, who: str, what: bytes | str) -> None:
        self.said[who] = self.said.get(who, b"") + (what.encode() if isinstance(what, str) else what)

    def require_silence(self, *secrets: str) -> None:
        for who, what in self.said.items():
            for secret in (each.encode() for each in secrets):
                for form in (secret, base64.b64encode(secret)[:40], secret.hex()[:40].encode()):
                    assert form not in what, f"{who} tells a secret"
            is_text = b"\0" not in what  # a database's bytes may hold any number
            assert not (is_text and _LENGTH_TOLD.search(what)), f"{who} tells the length"


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(600)
def test_a_secret_is_seen_by_its_app_alone(fresh_hub: HubProcess, tmp_path: Path):
    """
    No page, answer, stream, log, argument, plan, file of ours or message holds a secret, or tells its length.
    """
    fresh_hub.start()
    token, witness = fresh_hub.token, Witness()
    folder = app_folder(tmp_path / "app")
    with every_argument(witness):
        for words in (("plan",), ("deploy", "-y"), ("plan",), ("deploy", "-y", "--set-secrets"), ("status",)):
            spacehand(witness, fresh_hub, tmp_path, *words, folder)
        assert "the secret is here" in httpx.get(fresh_hub.api.space_info(SPACE).host + "/config").text
        with every_stream(witness, fresh_hub):
            (folder / "app.py").write_text(APP.format(more='raise RuntimeError("broken")'))
            assert spacehand(witness, fresh_hub, tmp_path, "deploy", "-y", folder) != 0
        in_environments(fresh_hub)
        every_answer(witness, fresh_hub)
    fresh_hub.kill()
    every_file(witness, fresh_hub, tmp_path)

    witness.require_silence(SECRET, SECRET[:40], token)
    assert b"API_KEY" in witness.said["stdout of plan"]  # the name may be told


def app_folder(folder: Path) -> Path:
    folder.mkdir()
    for name, text in {"app.py": APP.format(more=""), "README.md": README, "spacehand.toml": TOML}.items():
        (folder / name).write_text(text)
    return folder


def spacehand(witness: Witness, hub: HubProcess, tmp_path: Path, *words: str | Path) -> int:
    """Run one command and hear all it says; return its exit code."""
    command, *more, folder = (str(word) for word in words)
    named = [SPACE] if command == "status" else [folder, SPACE]
    environment = {name: value for name, value in os.environ.items() if name != "HF_TOKEN"}
    environment |= {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "MY_KEY": SECRET}
    environment |= {
        "SPACEHAND_HOME": str(tmp_path / "home"),
        "HOME": str(tmp_path / "home"),
        "PIP_CONFIG_FILE": "",
    }
    done = subprocess.run(
        [sys.executable, "-m", "spacehand", command, *named, *more, "--json"],
        env=environment,
        capture_output=True,
        check=False,
        timeout=200,
    )
    assert json.loads(done.stdout)["schema"].startswith("spacehand."), done.stderr.decode()
    witness.hears(f"stdout of {command}", done.stdout)
    witness.hears(f"stderr of {command}", done.stderr)
    return done.returncode


@contextmanager
def every_argument(witness: Witness) -> Iterator[None]:
    """Look at all processes' arguments for as long as the block runs."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            for process in psutil.process_iter():
                try:
                    arguments = " ".join(process.cmdline())
                except psutil.Error:
                    continue
                if "canary-" in arguments or "hf_" in arguments:
                    witness.hears("an argument", arguments)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield
    finally:
        done.set()
        looking.join()
    assert looking


@contextmanager
def every_stream(witness: Witness, hub: HubProcess) -> Iterator[None]:
    """Listen to events and both logs for as long as the block runs."""
    done = threading.Event()

    def listen(what: str) -> None:
        token = {"Authorization": f"Bearer {hub.token}"}
        address = f"{hub.url}/api/spaces/{SPACE}/{what}"
        with httpx.stream("GET", address, headers=token, timeout=60) as answer:
            for piece in answer.iter_bytes():
                witness.hears(f"the stream {what}", piece)
                if done.is_set():
                    return

    listening = [
        threading.Thread(target=listen, args=(what,)) for what in ("events", "logs/run", "logs/build")
    ]
    for thread in listening:
        thread.start()
    yield
    done.set()
    for thread in listening:
        thread.join(20)  # each hears a sign of life within 15 s
    assert {"the stream events", "the stream logs/run", "the stream logs/build"} <= set(witness.said)


def every_answer(witness: Witness, hub: HubProcess) -> None:
    """Ask every route that reads, as the owner."""
    words = {
        "owner": "ada",
        "name": "demo",
        "rev": "main",
        "path": "README.md",
        "subdomain": "ada-demo",
        "account": "ada",
    }
    with httpx.Client(
        base_url=hub.url, headers={"Authorization": f"Bearer {hub.token}"}, timeout=30
    ) as client:
        for route in TABLE:
            if not isinstance(route, Route) or "GET" not in (route.methods or ()) or "/logs/" in route.path:
                continue
            if route.path.endswith(("/events", "/metrics")):
                continue
            path = route.path.replace("{kind:plural}", "spaces")
            path = re.sub(r"{(\w+)(?::\w+)?}", lambda found: words.get(found[1], "x"), path)
            answer = client.get(path)
            witness.hears(f"GET {path}", answer.content)
            witness.hears(f"headers of {path}", str(answer.headers))
        wrong = {"key": "API KEY", "value": SECRET}
        for address in (f"/api/spaces/{SPACE}/secrets", f"/api/spaces/{SPACE}/variables"):
            witness.hears(f"POST {address}", client.post(address, json=wrong).content)
        again = {"name": "demo", "type": "space", "sdk": "gradio", "secrets": [{"key": "1", "value": SECRET}]}
        witness.hears("a second creation", client.post("/api/repos/create", json=again).content)
        witness.hears("a wrong secret", client.post("/api/repos/create", json=again | {"name": "b"}).content)
    witness.hears("the app's page", httpx.get(hub.api.space_info(SPACE).host).content)


def in_environments(hub: HubProcess) -> None:
    """Fail unless the app has the secret in its environment, and no process around it has."""
    having = []
    for process in [psutil.Process(hub.pid), *psutil.Process(hub.pid).children(recursive=True)]:
        if any("canary-" in value for value in process.environ().values()):
            having.append(process.cmdline())
    assert having
    for command in having:
        assert command[-1] == "app.py", f"{command[:3]} has the secret"


def every_file(witness: Witness, hub: HubProcess, tmp_path: Path) -> None:
    """Read all that the Hub and the tool have written, but for the file that is there to hold the token."""
    witness.hears("the server's log", hub.log)
    for root in (hub.data, tmp_path / "home"):
        for path in root.rglob("*"):
            if (
                path.is_file()
                and not path.is_symlink()
                and path != hub.data / "token"
                and "venv" not in path.parts
            ):
                witness.hears(str(path), path.read_bytes())
    assert any("hub.sqlite" in who for who in witness.said)
    assert any("history.sqlite" in who for who in witness.said)
