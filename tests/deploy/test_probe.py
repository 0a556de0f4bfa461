from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.deploy.conftest import Clock

from spacehand.deploy.probe import Probe, check
from spacehand.errors import UnhealthyError, WaitTimeoutError
from spacehand.space.spec import Expect, ProbeSpec


class App(http.server.ThreadingHTTPServer):
    """Speaks as much of Gradio's HTTP as a client needs; `tests/deploy/test_live.py` has the real one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Speaking)
        self.pages: list[int] = []  # statuses of the next pages; then 200
        self.events = 'event: complete\ndata: [{"transcript": "open the door", "weights_sha256": "ab"}]\n\n'
        self.uploads: list[bytes] = []
        self.called: list[tuple[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.is_gradio = True
        self.hangs = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Speaking(http.server.BaseHTTPRequestHandler):
    server: App

    def do_GET(self) -> None:
        self.server.headers.append(dict(self.headers))
        if self.path == "/gradio_api/info" and self.server.is_gradio:
            self._send(200, {"named_endpoints": {"/transcribe": {}}, "unnamed_endpoints": {}})
        elif self.path == "/gradio_api/call/transcribe/e1":
            if not self.server.events:
                self.server.hangs.wait(10)
            self._send(200, self.server.events, "text/event-stream")
        elif self.path == "/":
            self._send(self.server.pages.pop(0) if self.server.pages else 200, "<h1>")
        else:
            self._send(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        self.server.headers.append(dict(self.headers))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/gradio_api/upload":
            self.server.uploads.append(body)
            self._send(200, ["/tmp/gradio/clip.wav"])
        elif self.path == "/gradio_api/call/transcribe":
            self.server.called.append((self.path, json.loads(body)["data"]))
            self._send(200, {"event_id": "e1"})
        else:
            self._send(500, "Internal Server Error")

    def _send(self, status: int, body: object, kind: str = "application/json") -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Set-Cookie", "replica=one; Path=/; HttpOnly; SameSite=Lax")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def app() -> Iterator[App]:
    server = App()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.hangs.set()
    server.shutdown()
    thread.join()
    server.server_close()


def probe(tmp_path: Path, **spec: Any) -> Probe:
    defaults: dict[str, Any] = {"api": "/transcribe", "timeout": 5.0}
    return Probe.from_spec(ProbeSpec(**{**defaults, **spec}), tmp_path)


def test_a_page_must_answer_twice(app: App, tmp_path: Path) -> None:
    """One 503 while the app comes up is waited out; two good answers in a row are the proof."""
    app.pages = [503, 200, 503]
    slept: list[float] = []

    probe(tmp_path).page(app.url, sleep=slept.append)

    assert len(slept) == 4


def test_a_dead_page_is_unhealthy(app: App, tmp_path: Path) -> None:
    """RUNNING is no proof: a page that never answers ends in an error with what it said last."""
    app.pages = [502] * 1000
    clock = Clock()
    with pytest.raises(UnhealthyError, match="status 502"):
        probe(tmp_path, timeout=20).page(app.url, now=clock.now, sleep=lambda _: clock.sleep(11))
    with pytest.raises(UnhealthyError, match="Nobody answers"):
        probe(tmp_path, timeout=20).page("http://127.0.0.1:1", now=clock.now, sleep=lambda _: clock.sleep(11))


def test_a_call_uploads_files_and_returns_the_answer(app: App, tmp_path: Path) -> None:
    """A text that names a file of the built folder goes as an upload, others as they are."""
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "clip.wav").write_bytes(b"RIFF\0\xff")
    expect = Expect("transcript", contains="DOOR")

    answer = probe(tmp_path, inputs=("examples/clip.wav", "en", 3), expect=expect).call(app.url)

    assert answer is not None
    assert answer.weights_sha256 == "ab"
    assert b"RIFF\0\xff" in app.uploads[0]
    (_, data), *_ = app.called
    assert data[0]["path"] == "/tmp/gradio/clip.wav"
    assert data[0]["meta"] == {"_type": "gradio.FileData"}
    assert data[1:] == ["en", 3]


def test_a_call_stays_with_the_replica_that_took_it(app: App, tmp_path: Path) -> None:
    """A cookie that comes with the first answer goes with all that follows: only there is the result."""
    (tmp_path / "clip.wav").write_bytes(b"RIFF")
    probe(tmp_path, inputs=("clip.wav",)).call(app.url)
    first, *others = app.headers
    assert "Cookie" not in first
    assert [headers["Cookie"] for headers in others] == ["replica=one"] * 3


def test_a_file_outside_the_folder_is_only_a_text(app: App, tmp_path: Path) -> None:
    """A probe never uploads what is not part of the Space."""
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "space").mkdir()

    probe(tmp_path / "space", inputs=("../secret.txt", "x" * 5000)).call(app.url)

    assert app.uploads == []
    assert app.called[0][1] == ["../secret.txt", "x" * 5000]


def test_the_page_alone_can_be_the_proof(app: App, tmp_path: Path) -> None:
    """Without `api` nothing is called."""
    assert probe(tmp_path, api=None).call(app.url) is None
    assert app.called == []


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ('event: error\ndata: {"error": "no model"}\n\n', "failed its probe of `/transcribe`: no model"),
        ('event: error\ndata: {"error": null}\n\n', "does not say which"),
        ("event: error\ndata: null\n\n", "does not say which"),
        ("event: heartbeat\ndata: null\n\n", "hung up"),
    ],
)
def test_the_apps_own_error_is_passed_on(app: App, tmp_path: Path, event: str, message: str) -> None:
    """What the app said is in the message, and what it did not say is admitted."""
    app.events = event
    with pytest.raises(UnhealthyError, match=message):
        probe(tmp_path).call(app.url)


def test_an_endpoint_that_is_not_there_lists_those_that_are(app: App, tmp_path: Path) -> None:
    """A typo in `api` is seen at once."""
    with pytest.raises(UnhealthyError, match="no endpoint `/transcibe`") as caught:
        probe(tmp_path, api="/transcibe").call(app.url)
    assert "`/transcribe`" in str(caught.value.hint)


def test_an_app_that_is_no_gradio_app(app: App, tmp_path: Path) -> None:
    """Said as such, with the way out."""
    app.is_gradio = False
    with pytest.raises(UnhealthyError, match="no Gradio app") as caught:
        probe(tmp_path).call(app.url)
    assert "[probe]" in str(caught.value.hint)


def test_an_answer_that_never_comes(app: App, tmp_path: Path) -> None:
    """The probe's own time-out ends it, whatever the app does."""
    app.events = ""
    with pytest.raises(WaitTimeoutError, match="no answer within"):
        probe(tmp_path, timeout=0.3).call(app.url)


def test_a_private_app_gets_its_header(app: App, tmp_path: Path) -> None:
    """The token goes with every request, and is in no repr."""
    private = Probe.from_spec(ProbeSpec(), tmp_path, {"Authorization": "Bearer hf_canary"})

    private.page(app.url, sleep=lambda _: None)

    assert app.headers[0]["Authorization"] == "Bearer hf_canary"
    assert "canary" not in repr(private)


@pytest.mark.parametrize(
    ("expect", "passes"),
    [
        (Expect("a.b", contains="x"), True),
        (Expect("list.1", equals=2), True),
        (Expect("", contains="deep"), True),
        (Expect("a.c", contains="x"), False),
        (Expect("list.7", equals=2), False),
        (Expect("a.b", equals="y"), False),
    ],
)
def test_an_answer_is_checked_by_path(expect: Expect, passes: bool) -> None:
    """Dots lead into objects and lists; what is there instead is shown."""
    value = {"a": {"b": "deep x"}, "list": [1, 2]}
    if passes:
        check(value, expect, where="app")
    else:
        with pytest.raises(UnhealthyError, match="answer"):
            check(value, expect, where="app")
