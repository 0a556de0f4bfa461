"""From a push to the app's first answer, beside the bare steps by hand."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from benchmarks.figure import Figure, in_turn
from benchmarks.hubs import BenchHub, local_hub

ROUNDS = 3
GRADIO = "6.31.0"
CARD = f"---\ntitle: Bench\nsdk: gradio\nsdk_version: {GRADIO}\napp_file: app.py\n---\n"
APP = """import gradio as gr

VERSION = "{version}"
with gr.Blocks(title=VERSION) as demo:
    name = gr.Textbox()
    name.submit(lambda x: x + VERSION, name, gr.Textbox(), api_name="greet")
demo.launch()
"""
# What the Hub installs besides the app's own requirements, in the same solve.
SDK = [f"gradio[oauth,mcp]=={GRADIO}", "uvicorn>=0.14.0", "websockets>=10.4", "spaces"]
# Small pure wheels: each round asks for another set, which makes another lock of the same weight.
EXTRAS = ["six", "toolz", "more-itertools", "sortedcontainers", "cachetools", "tabulate", "wrapt", "isodate"]


def run() -> list[Figure]:
    """Measure an unchanged lock and a new lock with warm wheels."""
    with tempfile.TemporaryDirectory() as folder, local_hub() as hub:
        bench = _Bench(hub, Path(folder))
        bench.prepare()
        same = in_turn(ROUNDS, bench.push_unchanged, bench.plain_app)
        new = in_turn(ROUNDS, bench.push_new_lock, bench.by_hand)
        return [
            Figure("Push → first 200, unchanged lock", "plain `python app.py`", *same, goal=1.2),
            Figure(
                "Push → first 200, new lock, warm wheels", "`uv venv`, `uv pip install`, app", *new, goal=1.1
            ),
        ]


class _Bench:
    def __init__(self, hub: BenchHub, folder: Path) -> None:
        self.hub = hub
        self.folder = folder
        self.api = hub.api
        self.space = "bench/app"
        self.version = 0
        self.uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"

    def prepare(self) -> None:
        """Warm the wheel cache for every set of requirements, and let both sides have compiled files."""
        self.api.create_repo(self.space, repo_type="space", space_sdk="gradio")
        for extra in EXTRAS:
            self._install(self.folder / "warm", [extra])
        self.peer = self.folder / "peer"
        self._install(self.peer, [])
        subprocess.run([self.peer / "bin/python", "-m", "compileall", "-q", self.peer], check=False)
        self._push("")
        self._wait_for_compiled_layer()

    def push_unchanged(self) -> float:
        return self._push("")

    def push_new_lock(self) -> float:
        return self._push(EXTRAS[self.version % len(EXTRAS)] + "\n" + "\n".join(EXTRAS[: self.version // 8]))

    def plain_app(self) -> float:
        return self._start(self.peer, time.perf_counter())

    def by_hand(self) -> float:
        target = self.folder / f"hand-{time.monotonic_ns()}"
        started = time.perf_counter()
        self.version += 1
        self._install(target, [EXTRAS[self.version % len(EXTRAS)]])
        return self._start(target, started)

    def _push(self, requirements: str) -> float:
        self.version += 1
        version = f"v{self.version}-{time.monotonic_ns()}"
        source = self.folder / "source"
        source.mkdir(exist_ok=True)
        (source / "README.md").write_text(CARD)
        (source / "requirements.txt").write_text(requirements)
        (source / "app.py").write_text(APP.format(version=version))
        started = time.perf_counter()
        self.api.upload_folder(repo_id=self.space, repo_type="space", folder_path=source)
        host = self.api.space_info(self.space).host
        _until(lambda: version in _get(host), what=f"push of {version}")
        return time.perf_counter() - started

    def _start(self, venv: Path, started: float) -> float:
        app = self.folder / "plain.py"
        app.write_text(APP.format(version="plain"))
        port = _free_port()
        environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with subprocess.Popen(
            [venv / "bin/python", app], env=environment, stdout=subprocess.DEVNULL
        ) as process:
            _until(lambda: "plain" in _get(f"http://127.0.0.1:{port}"), what="the plain app")
            taken = time.perf_counter() - started
            process.terminate()
        return taken

    def _install(self, target: Path, extra: list[str]) -> None:
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run([self.uv, "venv", "--quiet", "--python", sys.executable, target], check=True)
        command = [self.uv, "pip", "install", "--quiet", "--python", target / "bin/python", *SDK, *extra]
        subprocess.run(command, check=True)

    def _wait_for_compiled_layer(self) -> None:
        """Wait for what a second push would find: the Hub compiles a layer after its first healthy start."""
        compiled = "layers/*/venv/lib/python3*/site-packages/gradio/__pycache__/blocks.*.pyc"
        _until(lambda: any(self.hub.data.glob(compiled)), what="the compiled layer")


def _until(condition: Callable[[], bool], *, what: str, timeout: float = 180) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
            return str(answer.read(), "utf-8", "replace")
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
