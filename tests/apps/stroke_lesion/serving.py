"""The app's page, served as a Space serves it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx


@contextmanager
def serving(
    python: Path,
    folder: Path,
    chosen: dict[str, str],
    *,
    end: Callable[[subprocess.Popen[bytes]], None] = subprocess.Popen.terminate,
) -> Iterator[str]:
    """
    Yield the URL of the app, which keeps its files in *folder* and has the variables *chosen*; *end* it then.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "STROKE_FOLDER": str(folder / "stroke"),
    }
    with (folder / "log").open("wb") as log:
        app = subprocess.Popen(
            [python, "-m", "stroke_deepisles_demo.ui.app"],
            cwd=folder,
            env=os.environ | place | chosen,
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(app, url, folder / "log")
        yield url
    finally:
        end(app)
        app.wait(60)


def _wait_for(app: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            if httpx.get(f"{url}/config").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert app.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.2)
