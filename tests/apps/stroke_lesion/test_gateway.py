"""Work that takes longer than a gateway lets a request last."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from gradio_client import Client
from tests import needs
from tests.apps.stroke_lesion.gateway import CuttingGateway
from tests.apps.stroke_lesion.serving import serving
from tests.apps.stroke_lesion.test_deployed import DRAWING
from tests.apps.stroke_lesion.test_inside import python

HERE = Path(__file__).parent
GATEWAY_SECONDS, JOB_SECONDS = 6, 15

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(900)]
__all__ = ["python"]  # a fixture


@pytest.fixture(scope="module")
def gateway(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CuttingGateway, str]]:
    """A gateway before the app, whose engine takes longer than the gateway waits."""
    folder = tmp_path_factory.mktemp("app")
    source = folder / "deepisles" / "src"
    source.mkdir(parents=True)
    (source / "isles22_ensemble.py").write_bytes((HERE / "stand_in_ensemble.py").read_bytes())
    chosen = {
        "DEEPISLES_HOME": str(source.parent),
        "DEEPISLES_PYTHON": sys.executable,
        "DEEPISLES_GPUS": "none",
        "STAND_IN_SECONDS": str(JOB_SECONDS),
        "STROKE_ENGINE": "deepisles-image",
    }
    with serving(python, folder, chosen) as url:
        before = CuttingGateway(url, GATEWAY_SECONDS)
        with before.serving() as address:
            yield before, address


def test_a_program_gets_its_result(gateway: tuple[CuttingGateway, str]):
    """
    One long request is cut; an order and short questions bring the result of the very same run.
    """
    before, url = gateway
    asked = f"{url}/gradio_api/call/segment"
    number = httpx.post(asked, json={"data": ["sub-stroke0001", "deepisles-image"]}).json()["event_id"]
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{asked}/{number}", timeout=60)
    assert f"/gradio_api/call/segment/{number}" in before.cut

    client = Client(url, verbose=False)
    order = client.predict("sub-stroke0001", "deepisles-image", api_name="/order")
    deadline = time.monotonic() + 120
    while (answer := client.predict(order, api_name="/result"))["state"] in ("pending", "running"):
        assert time.monotonic() < deadline, answer
        time.sleep(1)

    assert answer["state"] == "done", answer
    assert answer["result"]["engine"] == "deepisles-image"
    assert answer["result"]["dice"] > 0
    assert answer["result"]["seconds"] > GATEWAY_SECONDS


@pytest.mark.browser
def test_a_visitor_sees_the_result(gateway: tuple[CuttingGateway, str]):
    """
    The page of a visitor who only waits shows the result, though no request lives as long as the run.
    """
    from playwright.sync_api import sync_playwright

    before, url = gateway
    before.cut.clear()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needs.chromium(), args=DRAWING)
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.goto(url)
        page.get_by_label("sub-stroke0002").check()
        page.get_by_role("button", name="Segment this case").click()
        page.wait_for_selector('.niivue-viewer[data-state="ready"][data-shown="3"]')
        figures = page.locator("#figures").inner_text()
        browser.close()

    assert "deepisles-image" in figures
    assert "ml, reference" in figures
    assert before.cut  # what Gradio keeps open is cut, and does no harm
