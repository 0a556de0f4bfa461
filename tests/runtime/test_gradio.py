"""The Gradio adapter, with a real Gradio, its own client and a browser."""

import pytest
from tests import needs
from tests.environments import environment_with
from tests.runtime.served import FLAGS, RUNTIME, served, until

pytestmark = pytest.mark.slow

APP = """
import time
from pathlib import Path

import gradio as gr

from spacehand_runtime import Cache, Metrics
from spacehand_runtime.gradio import cached, current_user, observe

cache = Cache()
metrics = Metrics().watch(cache=cache)
runs = []


@cached(cache)
def double(number, progress=gr.Progress()):
    progress(0.5)
    runs.append(number)
    return number * 2


@cached(cache)
async def triple(number):
    return number * 3


@cached(cache, scope=current_user)
def mine(text):
    runs.append(text)
    return str(len(runs))


def hold():
    while not Path("go").exists():
        time.sleep(0.02)
    return "held"


def fail():
    raise gr.Error("no such patient")


def count(number):
    yield from range(int(number))


with gr.Blocks() as demo:
    number, text, result = gr.Number(), gr.Textbox(), gr.Textbox()
    one = {"concurrency_id": "one", "concurrency_limit": 1}
    gr.Button().click(double, number, result, api_name="double", **one)
    gr.Button().click(triple, number, result, api_name="triple", **one)
    gr.Button().click(mine, text, result, api_name="mine")
    gr.Button().click(hold, None, result, api_name="hold", **one)
    gr.Button().click(fail, None, result, api_name="fail")
    gr.Button().click(count, number, result, api_name="count")

demo.launch(app_kwargs=observe(demo, metrics))
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gradio")
    (folder / "app.py").write_text(APP)
    python = environment_with("gradio==6.31.0", RUNTIME)
    with served([str(python), "app.py"], folder) as app:
        app.folder = folder
        yield app


@pytest.fixture
def client(app):
    from gradio_client import Client

    client = Client(app.url, verbose=False)
    yield client
    client.close()


def test_a_hit_does_not_wait_in_the_queue(app, client):
    """
    While the only worker is busy, what is known comes at once, and what is not known waits.
    """
    assert client.predict(21, api_name="/double") == "42"
    assert client.predict(2, api_name="/triple") == "6"
    held = client.submit(api_name="/hold")
    until(lambda: app.metrics()["queue"]["running"] == 1)
    try:
        unknown = client.submit(22, api_name="/double")

        assert client.submit(21, api_name="/double").result(timeout=20) == "42"
        assert client.submit(2, api_name="/triple").result(timeout=20) == "6"
        assert not unknown.done()
        assert not held.done()
    finally:
        (app.folder / "go").touch()
    assert held.result(timeout=20) == "held"
    assert unknown.result(timeout=20) == "44"


def test_one_tab_never_gets_the_others_result(app, client):
    """
    The scope of an event is its session, also when Gradio only asks what is there.
    """
    from gradio_client import Client

    first = client.predict("same", api_name="/mine")
    other = Client(app.url, verbose=False)
    try:
        assert client.predict("same", api_name="/mine") == first
        assert other.predict("same", api_name="/mine") != first
    finally:
        other.close()


def test_events_are_counted_as_requests(app, client):
    """
    Each event counts once, cached or not, also one that yields; a failed one is an error.
    """
    before = app.metrics()["requests"]
    client.predict(5, api_name="/double")
    client.predict(5, api_name="/double")
    client.submit(3, api_name="/count").result(timeout=20)
    with pytest.raises(Exception, match="no such patient"):
        client.predict(api_name="/fail")

    until(lambda: app.metrics()["requests"]["count"] == before["count"] + 4)
    assert app.metrics()["requests"]["errors"] == before["errors"] + 1
    assert app.metrics()["cache"]["hits"] >= 1


@pytest.mark.browser
def test_a_tab_is_a_session_until_it_is_closed(app):
    """
    The page of a real browser counts while it is open.
    """
    path = needs.chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        until(lambda: app.metrics()["sessions"]["active"] == 0)  # the clients of other tests are gone
        before = app.metrics()["sessions"]
        page = browser.new_page()
        page.goto(app.url)
        until(lambda: app.metrics()["sessions"]["active"] == before["active"] + 1)
        page.close()
        until(lambda: app.metrics()["sessions"]["active"] == before["active"])
        assert app.metrics()["sessions"]["today"] == before["today"] + 1
        browser.close()
