"""A local Hub for a benchmark, with the official client and the bare commit request."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huggingface_hub import HfApi


@dataclass
class BenchHub:
    """A running local Hub."""

    url: str
    token: str
    pid: int
    data: Path

    @property
    def api(self) -> HfApi:
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.url, token=self.token)

    def commit_request(self, repo: str, source: Path) -> None:
        """Send all files below *source* in the one request that the official client ends a commit with."""
        lines: list[dict[str, object]] = [{"key": "header", "value": {"summary": "bench", "description": ""}}]
        for path in sorted(p for p in source.rglob("*") if p.is_file()):
            content = base64.b64encode(path.read_bytes()).decode()
            value = {"content": content, "path": path.relative_to(source).as_posix(), "encoding": "base64"}
            lines.append({"key": "file", "value": value})
        request = urllib.request.Request(  # noqa: S310 - our own server on loopback
            f"{self.url}/api/models/{repo}/commit/main",
            data="\n".join(map(json.dumps, lines)).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/x-ndjson"},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            answer.read()


@contextmanager
def local_hub(data: Path | None = None) -> Iterator[BenchHub]:
    """Run a local Hub on a free port, with the folder *data* or an empty one, and end it afterwards."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with tempfile.TemporaryDirectory(prefix="spacehand-bench-") as folder:
        data = data or Path(folder) / "data"
        command = [sys.executable, "-m", "spacehand.localhub.server", "--data", str(data), "--port", "0"]
        with subprocess.Popen([*command, "--owner", "bench"], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            try:
                yield BenchHub(url, (data / "token").read_text().strip(), process.pid, data)
            finally:
                process.terminate()  # leaving the block waits for its end
