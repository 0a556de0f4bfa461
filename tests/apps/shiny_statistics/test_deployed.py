"""The statistics app as visitors meet it: deployed to a Hub, built by docker, and used in a browser."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import needs
from tests.conftest import HubProcess
from tests.dockerd import Dockerd
from tests.runtime.served import FLAGS

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.docker, pytest.mark.browser]

APP = Path(__file__).parents[3] / "apps" / "shiny-statistics"
SPACEHAND = Path(sys.executable).with_name("spacehand")
DEPLOYED_IN = "280"  # seconds; the build fetches 130 MB of wheels


@pytest.fixture(scope="module")
def deployed(dockerd: Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the running app."""
    data = tmp_path_factory.mktemp("statistics") / "data"
    hub = HubProcess(data, environment={"DOCKER_HOST": dockerd.host}).start()
    try:
        words = [str(SPACEHAND), "deploy", str(APP), "ada/statistics", "--timeout", DEPLOYED_IN]
        chosen = {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "NO_COLOR": "1"}
        done = subprocess.run(words, env=os.environ | chosen, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]
        yield str(hub.api.space_info("ada/statistics").host)
    finally:
        hub.stop()


def test_two_visitors_of_the_space_share_one_computation(deployed: str) -> None:
    """
    Behind the Hub's gateway, in a container without rights: the second visitor has the curves from the cache.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=needs.chromium(), args=FLAGS)
        for words in ("Computed in", "Known already"):
            page = chromium.new_page()
            page.goto(deployed)
            page.get_by_role("tab", name="Kaplan–Meier").click()
            page.locator("#kaplan_meier-group").wait_for()
            page.locator("#kaplan_meier-run").click()
            page.get_by_text(words).wait_for(timeout=60_000)
            assert "p = 0.003" in page.locator("#kaplan_meier-result").inner_text()
        chromium.close()
    with urllib.request.urlopen(f"{deployed}/spacehand/metrics.json", timeout=10) as answer:
        told = json.load(answer)
    assert (told["cache"]["misses"], told["cache"]["hits"]) == (1, 1)
