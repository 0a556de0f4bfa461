"""The Shiny adapter, with a real Shiny and a browser."""

import subprocess

import pytest
from tests import needs
from tests.environments import environment_with
from tests.runtime.served import FLAGS, RUNTIME, served, until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

APP = """
from shiny import App, reactive, render, ui

from spacehand_runtime import Cache, Metrics
from spacehand_runtime.shiny import current_user, observe

cache, runs = Cache(), []
metrics = Metrics().watch(cache=cache)


@cache.memoize()
def shared(number):
    runs.append(number)
    return len(runs)


@cache.memoize(scope=current_user)
def mine(number):
    return current_user()


def server(input, output, session):
    @render.text
    def told():
        with metrics.request():
            return f"{shared(1)} {mine(1) == session.id}"


app = observe(App(ui.page_fluid(ui.output_text("told")), server), metrics)
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shiny")
    (folder / "app.py").write_text(APP)
    python = environment_with("prometheus-client", "shiny==1.8.0", RUNTIME)
    command = [str(python), "-m", "shiny", "run", "--host", "127.0.0.1", "--port", "PORT", "app.py"]
    with served(command, folder) as app:
        yield app


@pytest.fixture
def browser():
    path = needs.chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


def test_two_tabs_share_what_is_shared_and_nothing_else(app, browser):
    """
    One computation for both, a scope for each, and each is a session until it is closed.
    """
    before = app.metrics()
    pages = [browser.new_page(), browser.new_page()]
    for page in pages:
        page.goto(app.url)
        page.get_by_text("1 True").wait_for()

    now = app.metrics()
    assert now["sessions"]["active"] == 2
    assert now["sessions"]["users_today"] == 1
    assert (now["cache"]["misses"], now["cache"]["hits"]) == (3, 1)
    assert now["requests"]["count"] == before["requests"]["count"] + 4  # two pages, two analyses
    for page in pages:
        page.close()
    until(lambda: app.metrics()["sessions"]["active"] == 0)
    assert app.metrics()["sessions"]["mean_s"] > 0


def test_the_page_renews_itself(app, browser, tmp_path):
    """
    Figures change without a reload, nothing comes from elsewhere, and no script fails.
    """
    page, foreign, errors = browser.new_page(), [], []
    page.on("request", lambda request: request.url.startswith(app.url) or foreign.append(request.url))
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(f"{app.url}/spacehand/")
    page.get_by_role("heading", name="How the app is doing").wait_for()
    before = page.locator("main").inner_text()

    visitor = browser.new_page()
    visitor.goto(app.url)
    visitor.get_by_text("1 True").wait_for()
    until(lambda: page.locator("main").inner_text() != before)

    assert (foreign, errors) == ([], [])
    page.screenshot(path=tmp_path / "page.png", full_page=True)


def test_prometheus_own_parser_reads_the_metrics(app):
    """
    Names, types and values are as its reference parser wants them.
    """
    python = environment_with("prometheus-client", "shiny==1.8.0", RUNTIME)
    program = (
        "import sys\n"
        "from prometheus_client.parser import text_string_to_metric_families as parse\n"
        "families = {family.name: family for family in parse(sys.stdin.read())}\n"
        "print(*(families['spacehand_request' + end].type for end in ('s', '_seconds')), len(families))\n"
    )
    done = subprocess.run(
        [python, "-c", program],
        input=app.get("/spacehand/metrics"),
        capture_output=True,
        text=True,
        check=True,
    )

    kinds = done.stdout.split()
    assert kinds[:2] == ["counter", "histogram"]
    assert int(kinds[2]) >= 18
