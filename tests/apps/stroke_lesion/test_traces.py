"""What stays of a visitor's images on the server's disk, once their time is over: nothing."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import httpx2 as httpx
import pytest
from tests import needs
from tests.apps.stroke_lesion.images import head, save
from tests.apps.stroke_lesion.serving import serving
from tests.apps.stroke_lesion.test_deployed import DRAWING
from tests.apps.stroke_lesion.test_inside import python

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.browser, pytest.mark.timeout(900)]
__all__ = ["python"]  # a fixture


def test_nothing_of_a_visitor_outlives_its_time(python: Path, tmp_path: Path):
    """
    Uploads, what the viewer was given, prediction, pictures and downloads go once their time is over, though
    the app was killed meanwhile, which is when Gradio forgets its copies; and their addresses give nothing.
    """
    app = tmp_path / "app"
    app.mkdir()
    with serving(python, app, {}, end=subprocess.Popen.kill) as url:
        asked = _segment_own_images(url, tmp_path)
    there = _files(app / "stroke")
    with serving(python, app, {"KEEP_MINUTES": "0.02"}) as url:
        _wait_until_empty(app / "stroke")
        answers = [httpx.get(url + path).status_code for path in asked]

    assert {path.name for path in there} >= {"dwi.nii.gz", "adc.nii.gz", "prediction.nii.gz", "report.html"}
    assert {"visitors", "copies"} <= {part for path in there for part in path.parts}
    assert len(asked) >= 2
    assert all(code >= 400 for code in answers), answers


def _segment_own_images(url: str, folder: Path) -> list[str]:
    """Upload two images, wait until their lesion is shown; return the paths fetched for that."""
    from playwright.sync_api import sync_playwright

    made = head()
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needs.chromium(), args=DRAWING)
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.on("request", lambda request: asked.append(request.url.removeprefix(url)))
        page.goto(url)
        page.get_by_role("tab", name="Your own images").click()
        for role in ("dwi", "adc"):
            path = save(getattr(made, role), folder / f"{role}.nii.gz")
            page.locator(f"#{role} input[type=file]").set_input_files(path)
            page.locator(f"#{role}").get_by_text(f"{role}.nii").first.wait_for()
        page.get_by_role("button", name="Segment these images").click()
        page.wait_for_selector('.niivue-viewer[data-state="ready"][data-shown="2"]')
        browser.close()
    return [path for path in asked if "/file=" in path and path.endswith(".nii.gz")]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _wait_until_empty(folder: Path) -> None:
    deadline = time.monotonic() + 60
    while left := _files(folder):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
