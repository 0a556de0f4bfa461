"""The statistics app's page, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.statistics_app import Served
from tests import needs
from tests.runtime.served import FLAGS, until

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PATIENTS = "weeks,relapse,arm\n" + "".join(
    f"{week},{week % 2},{'new' if week % 3 else 'old'}\n" for week in range(1, 61)
)


@pytest.fixture
def browser() -> Iterator[Any]:
    """Chromium."""
    from playwright.sync_api import sync_playwright

    path = needs.chromium()
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


def opened(browser: Any, app: Served, **options: Any) -> tuple[Any, list[str], list[str]]:
    """Return a page of *app*, and lists of what fails on it and of what it fetches from elsewhere."""
    page, errors, foreign = browser.new_page(**options), [], []
    page.set_default_timeout(120_000)
    here = (f"http://127.0.0.1:{app.port}/", "data:", "blob:")
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: request.url.startswith(here) or foreign.append(request.url))
    page.goto(here[0])
    page.locator("#table_one-form .shiny-input-container").first.wait_for()
    return page, errors, foreign


def test_an_upload_becomes_curves_and_a_report(app: Served, browser: Any, tmp_path: Path):
    """
    Somebody's file is analysed, a wrong one is refused in words, and the report is one file with the curves.
    """
    page, errors, foreign = opened(browser, app)
    page.set_input_files("#upload", {"name": "a.csv", "mimeType": "text/csv", "buffer": b"alone\n1\n"})
    page.get_by_text("needs a line of column names").wait_for()
    page.set_input_files("#upload", {"name": "mine.csv", "mimeType": "text/csv", "buffer": PATIENTS.encode()})
    page.get_by_text("60 rows, 3 columns").wait_for()
    page.get_by_role("tab", name="Kaplan–Meier").click()
    for field, column in (("time", "weeks"), ("event", "relapse"), ("group", "arm")):
        page.select_option(f"#kaplan_meier-{field}", column)
    page.locator("#kaplan_meier-run").click()
    page.get_by_role("img", name="Kaplan–Meier curves over weeks").wait_for()

    page.get_by_role("tab", name="Report").click()
    with page.expect_download() as download:
        page.get_by_text("Download as HTML").click()
    download.value.save_as(tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text()
    assert "mine.csv" in report
    assert "data:image/svg+xml;base64," in report
    assert 'src="http' not in report
    assert (errors, foreign) == ([], [])


def test_a_long_analysis_tells_how_far_it_is_and_can_be_stopped(app: Served, browser: Any):
    """
    On a phone: progress, then `Cancelled`, and the queue stops the work; nothing is wider than the page.
    """
    page, errors, _ = opened(browser, app, viewport={"width": 390, "height": 844})
    page.get_by_role("tab", name="Validation").click()
    page.locator("#validation-run").click()
    page.get_by_text("of 750").wait_for()
    assert 0 < float(page.locator("progress").get_attribute("value")) < 1
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled.").wait_for()
    until(lambda: app.metrics["queue"]["running"] == 0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert errors == []
