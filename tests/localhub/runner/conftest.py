"""Tiny apps of the standard library, and a way to run one in an engine without building anything."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from spacehand.localhub.runner.address import SocketAddress
from spacehand.localhub.runner.build.interpreter import current
from spacehand.localhub.runner.engines._protocol import App, Engine, Folders, HubAccess, RunSpec
from spacehand.localhub.store.place import Place

SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        {answer}
    def say(self, text, status=200):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
{before}
http.server.ThreadingHTTPServer((os.environ["HOST"], {port}), Handler).serve_forever()
"""


def server(
    answer: str = 'self.say("hello")', *, before: str = "", port: str = 'int(os.environ["PORT"])'
) -> str:
    """Return the source of an app that answers GET with *answer*."""
    return SERVER.format(answer=answer, before=before, port=port)


class Heard(list[str]):
    """What an app said, line by line, and the mark it came with."""

    mark = ""

    def __call__(self, text: str, mark: str = "", /) -> None:
        self.extend(text.splitlines())
        self.mark = mark or self.mark


@dataclass
class Stand:
    """Where one test's apps run."""

    engine: Engine
    root: Path
    lines: Heard = field(default_factory=Heard)
    hub: HubAccess | None = None
    _count: int = 0

    def spec(self, source: str, environment: dict[str, str] | None = None) -> RunSpec:
        self._count += 1
        folders = Folders(self.root / f"run{self._count}")
        for folder in (folders.app, folders.home, folders.temporary):
            folder.mkdir(parents=True)
        (folders.app / "app.py").write_text(source)
        layout = self.engine.layout(folders, None, current())
        given = {
            "PATH": f"{layout.programs}:/usr/bin:/bin",
            "HOME": layout.home,
            "HOST": layout.host,
            "PORT": str(layout.port),
            "PYTHONUNBUFFERED": "1",
        }
        return RunSpec(
            space="ada/demo",
            command=("app.py",),
            folders=folders,
            layout=layout,
            interpreter=current(),
            venv=None,
            memory_bytes=1 << 30,
            socket=self.root / f"{self._count}.sock",
            control=self.root / f"{self._count}.keep",
            hub=self.hub,
            environment=given | (environment or {}),
            grace_seconds=2,
        )

    async def start(self, source: str, environment: dict[str, str] | None = None) -> App:
        return await self.engine.start(self.spec(source, environment), self.lines)


async def ask(app: App, path: str = "/") -> str:
    """Return the body of the app's answer to GET, once it listens."""
    while True:
        try:
            if isinstance(app.address, SocketAddress):
                reader, writer = await asyncio.open_unix_connection(app.address.path)
            else:
                reader, writer = await asyncio.open_connection(app.address.host, app.address.port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            answer = (await reader.read()).decode()
            writer.close()
        except OSError:
            answer = ""
        if answer:
            return answer.partition("\r\n\r\n")[2]
        await asyncio.sleep(0.02)


@pytest.fixture
def place() -> Iterator[Place]:
    """A Hub's data folder with a path short enough for sockets."""
    root = Path(tempfile.mkdtemp(prefix="spacehand-runner-"))
    root.chmod(0o755)
    found = Place(root / "hub")
    found.create()
    yield found
    shutil.rmtree(root, ignore_errors=True)
