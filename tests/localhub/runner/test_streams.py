"""What flows for long through a Hub that really runs: logs, events, metrics, and bodies of a gibibyte."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.utils import get_session
from tests.conftest import HubProcess

pytestmark = [pytest.mark.slow, pytest.mark.network]

SPACE = "ada/streams"
GIBIBYTE = 1 << 30
CHUNK = bytes(1 << 16)
KEPT = 300  # lines that the app writes before it serves
# It writes a line every 50 ms; POST counts the bytes of a body, GET /large answers with a gibibyte.
APP = f"""
import http.server, os, sys, threading, time, uuid
me = uuid.uuid4().hex[:6]
for number in range({KEPT}):
    print("kept", number, flush=True)
def tick():
    number = 0
    while True:
        number += 1
        print("tick", me, number, flush=True)
        time.sleep(0.05)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        size = {GIBIBYTE} if self.path == "/large" else 2
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        while size:
            part = min(size, 65536)
            self.wfile.write(b"x" * part)
            size -= part
    def do_POST(self):
        left = size = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read1(min(left, 65536)))
        body = str(size).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
threading.Thread(target=tick, daemon=True).start()
host = os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0")
http.server.ThreadingHTTPServer((host, 7860), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path_factory.mktemp("hub") / "data", arguments=("--any-python",)).start()
    hub.api.create_repo(SPACE, repo_type="space", space_sdk="gradio")
    files = {"README.md": "---\nsdk: gradio\nsdk_version: 6.31.0\n---\n", "app.py": APP}
    operations = [CommitOperationAdd(name, text.encode()) for name, text in files.items()]
    hub.api.create_commit(SPACE, operations, repo_type="space", commit_message="app")
    running(hub)
    yield hub
    hub.stop()


def running(hub: HubProcess) -> str:
    """Return the app's address once it runs."""
    runtime = hub.api.wait_for_space(SPACE, timeout=180, poll_interval=0.1)
    assert runtime.stage == "RUNNING", runtime.raw
    return str(hub.api.space_info(SPACE).host)


def test_a_log_that_is_not_followed_comes_whole_and_ends(hub: HubProcess) -> None:
    """
    The official client gets every line kept, each complete, and returns while the app goes on writing.
    """
    lines = list(hub.api.fetch_space_logs(SPACE))
    kept = [line for line in lines if line.startswith("kept ")]
    assert kept == [f"kept {number}\n" for number in range(KEPT)]
    assert all(line.endswith("\n") for line in lines)
    build = list(hub.api.fetch_space_logs(SPACE, build=True))
    assert build[0].startswith("===== Build Queued")


class Follower:
    """Reads a log as the official client follows it, in a thread of its own."""

    def __init__(self, api: HfApi) -> None:
        self.lines: list[str] = []
        self._end: Exception | None = None
        self._grown = threading.Condition()
        threading.Thread(target=self._read, args=(api,), daemon=True).start()

    def _read(self, api: HfApi) -> None:
        try:
            for line in api.fetch_space_logs(SPACE, follow=True):
                with self._grown:
                    self.lines.append(line)
                    self._grown.notify_all()
        except Exception as error:  # also when the last Hub of all tests has ended
            self._end = error

    def until(self, found: Callable[[list[str]], bool], limit: float = 60) -> list[str]:
        """Return the lines so far once *found* says so."""
        with self._grown:
            assert self._grown.wait_for(lambda: found(self.lines), limit), (self._end, self.lines[-5:])
            return list(self.lines)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_followed_log_survives_a_restart_of_the_hub(hub: HubProcess, how: str) -> None:
    """
    However the Hub ended, the official client comes back by itself and reads on, and sees no line twice.
    """
    follower = Follower(hub.api)
    follower.until(lambda lines: sum(line.startswith("tick ") for line in lines) > 5)
    getattr(hub, how)()
    seen = len(follower.lines)
    hub.start()
    running(hub)
    lines = follower.until(lambda lines: len(lines) > seen + 20)
    ticks = [line for line in lines if line.startswith("tick ")]
    assert len(ticks) == len(set(ticks))


def events(hub: HubProcess, stream: str) -> Iterator[dict[str, Any]]:
    """Yield what ``/events`` or ``/metrics`` sends, as the official client's session reads it."""
    headers = {"Authorization": f"Bearer {hub.token}"}
    with get_session().stream("GET", f"{hub.url}/api/spaces/{SPACE}/{stream}", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))


def test_events_tell_a_restart_as_it_happens(hub: HubProcess) -> None:
    """
    The runtime as it is comes first; then the stages of the restart, ending in RUNNING.
    """
    running(hub)
    stages = events(hub, "events")
    assert next(stages)["stage"] == "RUNNING"
    hub.api.restart_space(SPACE)
    assert next(stages)["stage"] == "RUNNING_APP_STARTING"
    assert next(each for each in stages if each["stage"] != "RUNNING_APP_STARTING")["stage"] == "RUNNING"


def test_metrics_are_of_the_app(hub: HubProcess) -> None:
    """
    Processor and memory of the app come again and again, within the limits of its hardware.
    """
    running(hub)
    measures = events(hub, "metrics")
    for measure in (next(measures), next(measures)):
        assert measure["memory_total_bytes"] == 16 * GIBIBYTE
        assert 0 < measure["memory_used_bytes"] < GIBIBYTE
        assert 0 <= measure["cpu_usage_pct"] <= 100 * (psutil.cpu_count() or 1) + 50


class Memory:
    """The most that a process held while the block ran, in bytes above what it held before."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._done = threading.Event()
        self.grown = 0

    def __enter__(self) -> Memory:
        self._before = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._done.wait(0.02):
            self.grown = max(self.grown, self._process.memory_info().rss - self._before)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def test_a_gibibyte_passes_both_ways_in_constant_memory(hub: HubProcess) -> None:
    """
    An upload and a download through the gateway arrive whole, and the Hub never holds more than a part.
    """
    address = urlsplit(running(hub))
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=120)
    with Memory(hub.pid) as memory:
        parts = (CHUNK for _ in range(GIBIBYTE // len(CHUNK)))
        connection.request("POST", "/", body=parts, headers={"Content-Length": str(GIBIBYTE)})
        assert int(connection.getresponse().read()) == GIBIBYTE
        connection.request("GET", "/large")
        answer, received, room = connection.getresponse(), 0, bytearray(1 << 20)
        while count := answer.readinto(room):
            received += count
    assert received == GIBIBYTE
    assert memory.grown < 64 << 20, f"grown by {memory.grown >> 20} MiB"
