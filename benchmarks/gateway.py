"""An app through the gateway, beside the same app asked directly, and beside nginx in front of it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.figure import Figure, in_turn
from benchmarks.http_load import Load
from benchmarks.hubs import local_hub
from benchmarks.space_app import by_hand, free_port, push, python_of, wait_for

ROUNDS = 5
SIZE = 256 << 20  # bytes, each way
EXTRA = 0.0005  # seconds that the gateway may add to a small request
APP = f"""
import asyncio, os
import uvicorn

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    size, path = 0, scope["path"]
    while (message := await receive())["type"] == "http.request":
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    start = {{"type": "http.response.start", "status": 200}}
    if path == "/events":
        await send(start | {{"headers": [(b"content-type", b"text/event-stream")]}})
        for number in range(3):
            event = b"data: %d\\n\\n" % number
            await send({{"type": "http.response.body", "body": event, "more_body": True}})
            await asyncio.sleep(1)
        await send({{"type": "http.response.body"}})
        return
    left = {SIZE} if path == "/large" else 0
    body = b"" if left else b"%d" % size
    length = str(left or len(body)).encode()
    await send(start | {{"headers": [(b"content-length", length), (b"content-type", b"text/plain")]}})
    while left:
        part = bytes(min(left, 1 << 18))
        left -= len(part)
        await send({{"type": "http.response.body", "body": part, "more_body": left > 0}})
    if body:
        await send({{"type": "http.response.body", "body": body}})

host, port = os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0"), os.environ.get("GRADIO_SERVER_PORT", "7860")
uvicorn.run(app, host=host, port=int(port), log_level="error", loop="uvloop", http="httptools")
"""
_NGINX = """
pid {folder}/pid; daemon off; worker_processes 1; error_log stderr error;
events {{ worker_connections 256; }}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream app {{ server 127.0.0.1:{app}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off; }}
  }}
}}
"""


def run() -> list[Figure]:
    """Measure small requests, large bodies and the first event; nginx only where it is installed."""
    with tempfile.TemporaryDirectory() as name, local_hub() as hub:
        ours = Load(push(hub, APP, "uvloop\nhttptools\n"))
        with by_hand(python_of(hub), Path(name), APP) as address:
            direct = Load(address)
            figures = _beside(ours, direct, "the app asked directly", owed=True)
            with nginx(Path(name), address) as proxied:
                figures += _beside(ours, Load(proxied), "nginx in front of it") if proxied else []
        return figures


def _beside(ours: Load, peer: Load, name: str, *, owed: bool = False) -> list[Figure]:
    def compare(measure: Callable[[Load], float]) -> tuple[list[float], list[float]]:
        measure(ours), measure(peer)  # the first goes to warm both up
        return in_turn(ROUNDS, lambda: measure(ours), lambda: measure(peer))

    one = compare(lambda load: 1000 * load.median_seconds(1000))
    many = compare(lambda load: load.seconds_for(6400, 32))
    down = compare(lambda load: load.download("/large"))
    up = compare(lambda load: load.upload("/", SIZE))
    event = compare(lambda load: 1000 * load.first_event("/events"))
    allowed = [figure + 1000 * EXTRA for figure in one[1]]
    figures = [
        Figure("Small request, 1 connection, median", name, *one, unit="ms"),
        Figure("6,400 requests on 32 connections", name, *many, goal=5.0 if owed else None),
        Figure(f"Download of {SIZE >> 20} MiB", name, *down),
        Figure(f"Upload of {SIZE >> 20} MiB", name, *up),
        Figure("First event of a stream", name, *event, unit="ms"),
    ]
    if owed:
        figures.insert(1, Figure("The same", f"{name}, + 0.5 ms", one[0], allowed, goal=1.0, unit="ms"))
    return figures


@contextmanager
def nginx(folder: Path, app: str) -> Iterator[str | None]:
    """Run nginx in front of *app* and give its address; None, said aloud, where it is not installed."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        print("nginx is not installed: the figures beside it are left out")
        yield None
        return
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, app=urlsplit(app).port, port=port))
    process = subprocess.Popen([program, "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
