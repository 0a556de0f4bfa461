"""A volume for ten visitors: handed out as a file by the viewer, beside the same as base64 in a page."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.figure import Figure, seconds

VIEWER = Path(__file__).parent.parent / "viewer"
GRADIO = "6.31.0"
VISITORS = 10
ROUNDS = 2

AS_A_FILE = """
import sys
import gradio as gr
from gradio_niivue import NiivueViewer
with gr.Blocks() as app:
    viewer = NiivueViewer()
    gr.Button().click(lambda: sys.argv[1], None, viewer, api_name="show", concurrency_limit=None)
"""
AS_BASE64 = """
import base64, sys
import gradio as gr
def show():
    with open(sys.argv[1], "rb") as file:
        return "data:application/octet-stream;base64," + base64.b64encode(file.read()).decode()
with gr.Blocks() as app:
    page = gr.HTML()
    gr.Button().click(show, None, page, api_name="show", concurrency_limit=None)
"""
LAUNCH = '\napp.launch(server_name="127.0.0.1", server_port=int(sys.argv[2]))\n'


def run(rounds: int = ROUNDS, visitors: int = VISITORS) -> list[Figure]:
    """Measure the server's memory, and the time until every visitor has the whole volume."""
    ours: list[tuple[float, float]] = []
    peer: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="spacehand-viewer-") as place:
        folder = Path(place)
        python, volume = _environment(folder), _volume(folder)
        for _round in range(rounds):
            ours.append(_measure(folder, python, AS_A_FILE, volume, visitors))
            peer.append(_measure(folder, python, AS_BASE64, volume, visitors))
    what = f"{visitors} visitors at once of an 11 MB volume"
    beside = "base64 in gr.HTML"
    return [
        Figure(
            f"{what}: memory the server grows by, plus 1 MB",
            beside,
            [1 + grown for grown, _ in ours],
            [1 + grown for grown, _ in peer],
            unit="MB",
        ),
        Figure(
            f"{what}: until all have it", beside, [taken for _, taken in ours], [taken for _, taken in peer]
        ),
    ]


def _environment(folder: Path) -> Path:
    """Return a Python that has Gradio and the viewer."""
    uv = Path(sys.executable).parent / "uv"
    python = folder / "venv/bin/python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", python, f"gradio=={GRADIO}", VIEWER]
    subprocess.run(install, check=True)
    return python


def _volume(folder: Path) -> Path:
    """Return a volume that compression does not make smaller, as scans are that come compressed."""
    import nibabel

    path = folder / "volume.nii"
    noise = np.random.default_rng(0).integers(-32768, 32767, (176, 176, 178), dtype=np.int16)
    nibabel.save(nibabel.Nifti1Image(noise, np.eye(4)), path)
    return path


def _measure(folder: Path, python: Path, app: str, volume: Path, visitors: int) -> tuple[float, float]:
    """Return by how many MB the server grows at most, and the seconds until all have the volume."""
    with _serving(folder, python, app, volume) as (url, server):
        _visit(url)  # what only the first visitor costs
        before = server.memory_info().rss
        with _highest(server) as highest, ThreadPoolExecutor(visitors) as pool:
            taken = seconds(lambda: list(pool.map(_visit, [url] * visitors)))
    return (max(highest) - before) / 1e6, taken


@contextmanager
def _serving(folder: Path, python: Path, app: str, volume: Path) -> Iterator[tuple[str, psutil.Process]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = folder / "app.py"
    script.write_text(app + LAUNCH)
    environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(folder / "cache")}
    command = [python, script, volume, str(port)]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(url).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield url, psutil.Process(process.pid)
        process.terminate()


@contextmanager
def _highest(server: psutil.Process) -> Iterator[list[int]]:
    """Yield what will hold the server's memory, in bytes, looked at a hundred times a second."""
    seen = [server.memory_info().rss]
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.01):
            seen.append(server.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    yield seen
    done.set()
    looking.join()


def _visit(url: str) -> None:
    """Get the value as a page does, and the file that it names."""
    from gradio_client import Client

    client = Client(url, download_files=False, verbose=False)
    value: Any = client.predict(api_name="/show")
    if isinstance(value, dict):
        with urllib.request.urlopen(value["volumes"][0]["file"]["url"]) as answer:  # noqa: S310 - our own address
            assert len(answer.read()) > 11_000_000
    else:
        assert len(value) > 14_000_000
    client.close()
