"""Every starter, as somebody begins with it: `new`, a secret, `deploy`, and a visitor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi
from huggingface_hub.utils import get_session
from playwright.sync_api import sync_playwright
from tests import needs
from tests.conftest import HubProcess
from tests.dockerd import Dockerd

from spacehand.space.starter import begin

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(600)]

CANARY = "canary-5e1f-never-shown"
SPACEHAND = Path(sys.executable).with_name("spacehand")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path_factory.mktemp("hub") / "data", arguments=("--any-python",)).start()
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def docker_hub(dockerd: Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    data = tmp_path_factory.mktemp("docker-hub") / "data"
    hub = HubProcess(data, environment={"DOCKER_HOST": dockerd.host}).start()
    yield hub
    hub.stop()


def deployed(hub: HubProcess, name: str, folder: Path) -> str:
    """Begin with the starter *name*, give it its secret, deploy it, and return the app's address."""
    begin(name, folder)
    settings = folder / "spacehand.toml"
    settings.write_text(settings.read_text().replace("# [secrets]", "[secrets]").replace("\n# ", "\n"))
    keys = {line.split()[0]: CANARY for line in settings.read_text().splitlines() if "{ env =" in line}
    chosen = {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "NO_COLOR": "1"}
    words = [str(SPACEHAND), "deploy", str(folder), f"ada/{name}", "--json", "--timeout", "540"]
    done = subprocess.run(words, env=os.environ | chosen | keys, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert json.loads(done.stdout)["stage"] == "RUNNING"
    return str(hub.api.space_info(f"ada/{name}").host)


def logs(api: HfApi, space: str) -> str:
    """Return both logs of *space*."""
    return "".join([*api.fetch_space_logs(space), *api.fetch_space_logs(space, build=True)])


def test_gradio_greets_and_signs(hub: HubProcess, tmp_path: Path) -> None:
    """
    The variable is in the greeting, the secret makes the signature, and is itself nowhere to be seen.
    """
    from gradio_client import Client

    app = deployed(hub, "gradio", tmp_path / "app")
    greeting, signature = Client(app, verbose=False).predict("Grace", api_name="/greet")
    assert greeting == "Hello, Grace!"
    assert len(bytes.fromhex(signature)) == 16
    page = get_session().get(app + "/config").text
    assert all(word in page for word in ("ada/gradio", "16Gi", "Secret SIGNING_KEY | set"))
    assert CANARY not in page + logs(hub.api, "ada/gradio")


def test_gradio_stream_answers_word_by_word(hub: HubProcess, tmp_path: Path) -> None:
    """
    Each part comes by itself and is longer than the one before; the last one carries the receipt.
    """
    from gradio_client import Client

    app = deployed(hub, "gradio-stream", tmp_path / "app")
    job = Client(app, verbose=False).submit("To be or not to be", None, "backwards", 50, api_name="/read")
    parts: list[Any] = list(job)
    lengths = [len(words) for words, _ in parts]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) == 6
    words, counted = parts[-1]
    assert words == "oT eb ro ton ot eb"
    assert (counted["words"], counted["of"]) == (6, 6)
    assert len(bytes.fromhex(counted["receipt"])) == 16
    page = get_session().get(app + "/config").text
    assert "Secret WATERMARK_KEY | set" in page
    assert CANARY not in page + logs(hub.api, "ada/gradio-stream")


def test_static_shows_its_variable(hub: HubProcess, tmp_path: Path) -> None:
    """
    The page is served with its variables, as the script reads them.
    """
    app = deployed(hub, "static", tmp_path / "app")
    page = get_session().get(app + "/").text
    assert "A page of its own" in page
    assert "daylight" in page


@pytest.mark.docker
def test_docker_fastapi_summarises(docker_hub: HubProcess, dockerd: Dockerd, tmp_path: Path) -> None:
    """
    The variable rounds, the secret opens long lists, and is in no page, log or layer.
    """
    app = deployed(docker_hub, "docker-fastapi", tmp_path / "app")
    ask = get_session()
    summary = ask.post(f"{app}/api/summaries", json={"numbers": [1, 2, 4]}).json()
    assert summary == {"count": 3, "mean": 2.333, "median": 2.0, "spread": 1.247}
    many = {"numbers": [1.0] * 101}
    assert ask.post(f"{app}/api/summaries", json=many).status_code == 403
    assert ask.post(f"{app}/api/summaries", json=many, headers={"X-API-Key": CANARY}).status_code == 200
    machine = ask.get(f"{app}/api/machine").json()
    given = {"space": "ada/docker-fastapi", "cpu_cores": "2", "memory": "16Gi"}
    assert machine == given | {"decimals": 3, "key_is_set": True}
    shown = (
        ask.get(app).text + ask.get(f"{app}/openapi.json").text + logs(docker_hub.api, "ada/docker-fastapi")
    )
    layers = dockerd.run("images", "--quiet").stdout.split()
    shown += "".join(dockerd.run("history", "--no-trunc", layer).stdout for layer in set(layers))
    assert CANARY not in shown


@pytest.mark.docker
def test_docker_gpu_says_that_there_is_none(docker_hub: HubProcess, tmp_path: Path) -> None:
    """
    Built and started without a GPU, it says so in its log and on its page; the report needs the secret.
    """
    app = deployed(docker_hub, "docker-gpu", tmp_path / "app")
    ask = get_session()
    found = ask.get(f"{app}/api/gpu").json()
    assert found["gpus"] == []
    assert found["found"].startswith("No GPU: there is no NVIDIA driver")
    page, said = ask.get(app).text, logs(docker_hub.api, "ada/docker-gpu")
    assert f"GPU: {found['found']}" in said
    assert all(word in page for word in ("ada/docker-gpu", "16Gi", "<dt>Secret REPORT_KEY</dt><dd>set</dd>"))
    assert ask.get(f"{app}/api/report").status_code == 403
    report = ask.get(f"{app}/api/report", headers={"Authorization": f"Bearer {CANARY}"})
    assert report.json() == {"found": found["found"], "devices": []}
    assert CANARY not in page + said + report.text


@pytest.mark.docker
@pytest.mark.browser
def test_streamlit_keeps_its_state_from_page_to_page(docker_hub: HubProcess, tmp_path: Path) -> None:
    """
    A note and the choice of stations stay while the visitor goes through the pages, over one WebSocket.
    """
    app = deployed(docker_hub, "streamlit", tmp_path / "app")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needs.chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(app, wait_until="commit")
        page.get_by_text("Signature of the file").wait_for()
        page.get_by_role("button", name="Remove Harbour").click()
        page.get_by_role("link", name="Notes").click()
        page.get_by_label("A note about what you see").fill("Quiet on Sundays")
        page.get_by_role("button", name="Keep it").click()
        page.get_by_text("Quiet on Sundays").wait_for()
        page.get_by_role("link", name="This Space").click()
        page.get_by_role("cell", name="ada/streamlit").wait_for()
        shown = page.content()
        page.get_by_role("link", name="Notes").click()
        page.get_by_text("Quiet on Sundays").wait_for()
        assert page.get_by_role("button", name="Remove Harbour").count() == 0
        assert page.get_by_role("button", name="Remove Bridge").count() == 1
        browser.close()
    assert CANARY not in shown + logs(docker_hub.api, "ada/streamlit")
