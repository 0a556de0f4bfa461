"""A Space for a benchmark: pushed to the Hub, and the very same app run by hand beside it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.hubs import BenchHub

CARD = "---\ntitle: Bench\nsdk: gradio\nsdk_version: 6.31.0\napp_file: app.py\n---\n"
SPACE = "bench/app"
_SECONDS = 300.0


def push(hub: BenchHub, app: str, requirements: str = "") -> str:
    """Push *app* as a Space and return its address once it answers."""
    from huggingface_hub import CommitOperationAdd

    files = {"README.md": CARD, "app.py": app, "requirements.txt": requirements}
    operations = [CommitOperationAdd(name, text.encode()) for name, text in files.items()]
    hub.api.create_repo(SPACE, repo_type="space", space_sdk="gradio", exist_ok=True)
    hub.api.create_commit(SPACE, operations, repo_type="space", commit_message="bench")
    hub.api.wait_for_space(SPACE, timeout=_SECONDS, poll_interval=0.1)
    host = str(hub.api.space_info(SPACE).host)
    wait_for(host)
    return host


def python_of(hub: BenchHub) -> Path:
    """Return the interpreter of the Space's layer, once its byte code is compiled."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        compiled = [path.parent for path in hub.data.glob("layers/*/compiled")]
        if compiled:
            return compiled[0] / "venv/bin/python"
        time.sleep(0.2)
    raise TimeoutError("the layer was not compiled")


@contextmanager
def by_hand(python: Path, folder: Path, app: str) -> Iterator[str]:
    """Run *app* without any Hub and give its address, once it answers, until the end of the block."""
    (folder / "app.py").write_text(app)
    port = free_port()
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    environment |= {"GRADIO_ANALYTICS_ENABLED": "False"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(
        [python, "app.py"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str) -> None:
    """Return once *url* answers with success."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - loopback
                answer.read()
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.005)
    raise TimeoutError(f"{url} does not answer")


def free_port() -> int:
    """Return a port of the loopback address that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
