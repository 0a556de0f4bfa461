"""An app in an environment of its own, served on a port of this machine, and what its metrics say."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]  # of Chromium
RUNTIME = str(Path(__file__).parents[2] / "runtime")


class Served:
    """An app that runs."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> str:
        """Return what the app answers at *path*."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=20) as answer:
            return answer.read().decode()

    def metrics(self) -> Any:
        return json.loads(self.get("/spacehand/metrics.json"))


@contextmanager
def served(command: Sequence[str], folder: Path) -> Iterator[Served]:
    """Run *command* in *folder*, with PORT in it replaced by a free one, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HF_"))
    }
    log = folder / "app.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [word.replace("PORT", port) for word in command],
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment | {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_SERVER_PORT": port},
        )
    app = Served(f"http://127.0.0.1:{port}")
    try:
        until(lambda: process.poll() is not None or _answers(app), 60)
        assert process.poll() is None, log.read_text()[-3000:]
        yield app
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(condition: Any, seconds: float = 30.0) -> None:
    """Wait for *condition*, at most *seconds*."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.05)


def _answers(app: Served) -> bool:
    try:
        app.get("/")
    except OSError:
        return False
    return True
