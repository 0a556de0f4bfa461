"""The Streamlit adapter, with a real Streamlit and a browser."""

import pytest
from tests import needs
from tests.environments import environment_with
from tests.runtime.served import FLAGS, RUNTIME, served, until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SHARED = """
from spacehand_runtime import Cache, Metrics
from spacehand_runtime.streamlit import current_user

cache, runs = Cache(), []
metrics = Metrics().watch(cache=cache)


@cache.memoize()
def shared(number):
    runs.append(number)
    return len(runs)


@cache.memoize(scope=current_user)
def mine(number):
    return current_user()
"""
PAGE = """
import streamlit as st

from shared import current_user, metrics, mine, shared

with metrics.request():
    st.write(f"{shared(1)} {mine(1) == current_user()}")
"""
APP = """
import streamlit as st

from shared import metrics
from spacehand_runtime.streamlit import observe

app = st.App("page.py", middleware=observe(metrics))
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streamlit")
    for name, text in (("shared", SHARED), ("page", PAGE), ("app", APP)):
        (folder / f"{name}.py").write_text(text)
    python = environment_with("streamlit==1.67.0", RUNTIME)
    options = ["--server.port=PORT", "--server.address=127.0.0.1", "--server.headless=true"]
    quiet = ["--browser.gatherUsageStats=false", "--server.fileWatcherType=none"]
    with served([str(python), "-m", "streamlit", "run", "app.py", *options, *quiet], folder) as app:
        yield app


def test_two_tabs_share_what_is_shared_and_nothing_else(app):
    """
    One computation for both, a scope for each, and each is a session until it is closed.
    """
    path = needs.chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        pages = [browser.new_page(), browser.new_page()]
        for page in pages:
            page.goto(app.url)
            page.get_by_text("1 True").wait_for()

        now = app.metrics()
        assert (now["sessions"]["active"], now["sessions"]["users_today"]) == (2, 1)
        assert (now["cache"]["misses"], now["cache"]["hits"]) == (3, 1)
        assert now["requests"]["count"] >= 4  # two pages, two analyses
        for page in pages:
            page.close()
        until(lambda: app.metrics()["sessions"]["active"] == 0)
        browser.close()


def test_the_page_and_prometheus_are_served_beside_the_app(app):
    """
    Streamlit's own catch-all page does not hide them.
    """
    assert "How the app is doing" in app.get("/spacehand/")
    assert "spacehand_sessions_active 0" in app.get("/spacehand/metrics")
