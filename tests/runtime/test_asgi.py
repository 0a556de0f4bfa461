"""Metrics of an ASGI app."""

import json

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient

from spacehand_runtime import Cache, Metrics
from spacehand_runtime.asgi import Observed, current_user

cache = Cache()


@cache.memoize(scope=current_user)
def mine(number):
    return [current_user(), number]


async def home(_request):
    return PlainTextResponse("hello")


async def broken(_request):
    return PlainTextResponse("no", status_code=503)


async def raising(_request):
    raise LookupError("gone")


async def stream(_request):
    return StreamingResponse(iter(["data: 1\n\n"]), media_type="text/event-stream")


def scoped(_request):  # not async: Starlette runs it in a thread
    return PlainTextResponse(str(mine(7)))


async def echo(socket):
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.receive()


ROUTES = [
    Route("/", home),
    Route("/broken", broken),
    Route("/raising", raising),
    Route("/stream", stream),
    Route("/scoped", scoped),
    WebSocketRoute("/echo", echo),
]


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def client(metrics):
    def user(scope):
        return dict(scope["headers"]).get(b"x-user", b"").decode() or None

    app = Starlette(routes=ROUTES, middleware=[Middleware(Observed, metrics=metrics, user=user)])
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_requests_are_counted_with_their_errors(client, metrics):
    """
    An answer of 500 and more is an error; a stream of events is no request, as its length tells nothing.
    """
    for path in ("/", "/nowhere", "/broken", "/raising", "/stream"):
        client.get(path)

    requests = metrics.snapshot()["requests"]
    assert (requests["count"], requests["errors"], requests["error_rate"]) == (4, 2, 0.5)


def test_a_session_is_as_long_as_its_websocket(client, metrics):
    """
    Two tabs of one user are two sessions and one user; a closed one is not active.
    """
    with client.websocket_connect("/echo") as socket:
        socket.send_text("hi")
        assert socket.receive_text() == "hi"
        assert metrics.snapshot()["sessions"]["active"] == 1
    with client.websocket_connect("/echo") as socket:
        socket.send_text("hi")
        socket.receive_text()

    sessions = metrics.snapshot()["sessions"]
    assert (sessions["active"], sessions["today"], sessions["users_today"]) == (0, 2, 1)


def test_the_metrics_are_served_in_three_forms(client, metrics):
    """
    JSON, Prometheus and a page; asking for them is no request of the app.
    """
    client.get("/")

    shape = client.get("/spacehand/metrics.json")
    assert shape.headers["cache-control"] == "no-store"
    assert json.loads(shape.text)["requests"]["count"] == 1
    text = client.get("/spacehand/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "\nspacehand_requests_total 1\n" in text.text
    page = client.get("/spacehand", follow_redirects=True)
    assert page.url.path == "/spacehand/"
    assert "How the app is doing" in page.text
    assert client.head("/spacehand/").content == b""
    assert client.post("/spacehand/metrics").status_code == 405
    assert metrics.snapshot()["requests"]["count"] == 1


def test_the_metrics_are_there_where_the_app_is_mounted():
    """
    Below a prefix, the same paths count from there.
    """
    app = Starlette(routes=[Mount("/inner", app=Observed(Starlette(routes=ROUTES), Metrics()))])

    assert TestClient(app).get("/inner/spacehand/metrics.json").json()["schema"] == "spacehand.metrics/1"


def test_each_user_has_a_scope(client):
    """
    What is cached for one is not given to another, and nobody's result is everybody's.
    """
    answers = [client.get("/scoped", headers={"x-user": user}).text for user in ("ada", "bo", "ada")]

    assert answers == ["['ada', 7]", "['bo', 7]", "['ada', 7]"]
    assert cache.get_stats()["hits"] == 1
    assert client.get("/scoped").status_code == 500


def test_text_from_outside_stays_text_on_the_page(client, metrics):
    """
    A label that looks like HTML is shown, not run.
    """
    metrics.counter("uploads_total", "Uploads.", ["name"]).add(name="<script>alert(1)</script>")

    page = client.get("/spacehand/").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
