"""The stroke app as visitors meet it: pushed to a Hub, built, started, and proved by a real segmentation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import hf_hub_download
from tests import needs
from tests.apps.stroke_lesion.test_inside import python
from tests.conftest import HubProcess

from spacehand.space.build import build
from spacehand.space.spec import SpaceSpec

__all__ = ["python"]  # a fixture

APP = Path(__file__).parents[3] / "apps" / "stroke-lesion"
DRAWING = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost",
]


def test_what_is_pushed(tmp_path: Path):
    """
    The folder that is pushed holds the app, the runtime and the viewer; its Docker form the Dockerfile, too.
    """
    plain = {file.path for file in build(SpaceSpec.load(APP), tmp_path / "plain").files}
    docker = {
        file.path for file in build(SpaceSpec.load(APP, environment="deepisles"), tmp_path / "docker").files
    }

    needed = {
        "app.py",
        "stroke_deepisles_demo/ui/app.py",
        "spacehand_runtime/__init__.py",
        "gradio_niivue/viewer.js",
    }
    assert needed <= plain
    assert docker - plain == {"Dockerfile"}
    assert not [path for path in plain if path.endswith((".onnx", ".nii.gz", "pyproject.toml"))]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path_factory.mktemp("hub") / "data", arguments=("--any-python",)).start()
    yield hub
    hub.stop()


def spacehand(hub: HubProcess, *words: str | Path) -> dict[str, Any]:
    """Return what the command prints for programs."""
    command = [Path(sys.executable).with_name("spacehand"), *words, "--json", "--timeout", "600"]
    chosen = {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token}
    done = subprocess.run(command, env=os.environ | chosen, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def app(hub: HubProcess) -> dict[str, Any]:
    """What `spacehand deploy apps/stroke-lesion --json` prints; the Space runs."""
    return spacehand(hub, "deploy", APP, "ada/stroke")


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(900)
def test_runs_as_a_space(app: dict[str, Any]):
    """
    The deploy's probe was a real segmentation; a program gets the same figures, and a wrong case is refused.
    """
    from gradio_client import Client
    from gradio_client.exceptions import AppError

    assert app["stage"] == "RUNNING"
    client = Client(app["app_url"], verbose=False)
    assert client.predict(api_name="/cases")[0] == "sub-stroke0001"
    facts = client.predict("sub-stroke0001", "threshold", api_name="/segment")
    assert 0.4 < facts["dice"] < 1
    assert facts["warning"] == "Not for clinical use"
    with pytest.raises(AppError, match="no case `sub-nobody`"):
        client.predict("sub-nobody", "threshold", api_name="/segment")
    with pytest.raises(AppError, match=r"docker is not installed|no docker daemon answers"):
        client.predict("sub-stroke0001", "deepisles-container", api_name="/segment")


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.browser
@pytest.mark.timeout(900)
def test_a_visitor_sees_the_lesion(app: dict[str, Any]):
    """
    One click shows images, lesion, reference and figures; loading the page anew shows them again.
    """
    from playwright.sync_api import sync_playwright

    ready = '.niivue-viewer[data-state="ready"][data-shown="3"]'
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needs.chromium(), args=DRAWING)
        page = browser.new_page()
        page.set_default_timeout(180_000)
        page.goto(app["app_url"])
        page.get_by_role("button", name="Segment this case").click()
        page.wait_for_selector(ready)
        dice = page.locator(".stroke-figures dd").first.inner_text()
        page.reload()
        page.wait_for_selector(ready)
        again = page.locator(".stroke-figures dd").first.inner_text()
        warnings = page.get_by_text("Not for clinical use").count()
        browser.close()

    assert dice == again
    assert 0.4 < float(dice.split()[0]) < 1
    assert warnings >= 3


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.timeout(900)
def test_ships_with_its_model(hub: HubProcess, python: Path, tmp_path: Path):
    """
    A model that was trained here is published with a card and served: the probe's answer came from its
    weights, and so does what a program gets that names no engine.
    """
    from gradio_client import Client

    few = f"from pathlib import Path; train(Path({str(tmp_path / 'voxel')!r}), seeds=range(2))"
    subprocess.run([python, "-c", f"from stroke_deepisles_demo.training import train; {few}"], check=True)
    limits = "Trained on synthetic cases. Not for clinical use"
    shipped = spacehand(hub, "ship", tmp_path / "voxel", "--app", APP, "--limitations", limits, "--yes")
    facts = Client(shipped["app_url"], verbose=False).predict(
        "sub-stroke0002", "default", api_name="/segment"
    )
    card = hf_hub_download("ada/voxel", "README.md", endpoint=hub.url, token=hub.token, local_dir=tmp_path)

    assert shipped["served_weights_sha256"] == shipped["weights_sha256"] == facts["weights_sha256"]
    assert (facts["engine"], facts["revision"]) == ("voxel", shipped["model_revision"])
    assert limits in Path(card).read_text()
    assert shipped["weights_sha256"] in Path(card).read_text()
