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
from tests.conftest import HubProcess

from spacehand.space.starter import begin

pytestmark = [pytest.mark.slow, pytest.mark.network]

CANARY = "canary-5e1f-never-shown"
SPACEHAND = Path(sys.executable).with_name("spacehand")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path_factory.mktemp("hub") / "data", arguments=("--any-python",)).start()
    yield hub
    hub.stop()


def deployed(hub: HubProcess, name: str, folder: Path) -> str:
    """Begin with the starter *name*, give it its secret, deploy it, and return the app's address."""
    begin(name, folder)
    settings = folder / "spacehand.toml"
    settings.write_text(settings.read_text().replace("# [secrets]", "[secrets]").replace("\n# ", "\n"))
    keys = {line.split()[0]: CANARY for line in settings.read_text().splitlines() if "{ env =" in line}
    chosen = {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "NO_COLOR": "1"}
    words = [str(SPACEHAND), "deploy", str(folder), f"ada/{name}", "--json", "--timeout", "280"]
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
