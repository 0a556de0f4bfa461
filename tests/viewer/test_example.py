"""The example Space, as it is pushed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spacehand.space.build import build
from spacehand.space.spec import SpaceSpec
from tests.conftest import HubProcess
from tests.viewer.conftest import VIEWER, Page


def test_holds_the_viewer_and_its_licences(tmp_path: Path):
    """
    The folder that is pushed holds the viewer, its bundle and its licences, and no part of how they are made.
    """
    built = build(SpaceSpec.load(VIEWER / "example"), tmp_path / "space")
    paths = {file.path for file in built.files}

    assert {"app.py", "gradio_niivue/viewer.js", "gradio_niivue/static/LICENSES.txt"} <= paths
    assert not [path for path in paths if "node_modules" in path or path.endswith((".pyi", ".toml"))]


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.network
def test_runs_as_a_space(page: Page, tmp_path: Path):
    """
    Deployed to a local Hub, its call is proved; a visitor sees the head and its lesion, and the page asks no
    other site for a font or a script.
    """
    hub = HubProcess(tmp_path / "hub", arguments=("--any-python",)).start()
    try:
        spacehand = Path(sys.executable).with_name("spacehand")
        words = [spacehand, "deploy", VIEWER / "example", "ada/heads", "--json", "--timeout", "280"]
        chosen = {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token}
        done = subprocess.run(words, env=os.environ | chosen, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        page.page.goto(json.loads(done.stdout)["app_url"])
        page.page.wait_for_selector('.niivue-viewer[data-state="ready"][data-shown="2"]')

        label = page.page.get_by_role("img").first.get_attribute("aria-label")
        assert "Head (gray, opacity 100 %), over it Lesion (lesion" in label
        # Gradio itself looks the Space up there, whatever the app.
        page.asked = [url for url in page.asked if url != "https://huggingface.co/api/spaces/ada/heads"]
    finally:
        hub.stop()
