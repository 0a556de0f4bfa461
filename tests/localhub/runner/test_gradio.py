"""Real Gradio Spaces, pushed by the unmodified official client, built from the package index."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import psutil
import pytest
from gradio_client import Client
from huggingface_hub import CommitOperationAdd
from tests.conftest import HubProcess
from tests.localhub.replicas import scale, until_all_answer

if TYPE_CHECKING:
    from huggingface_hub import HfApi

pytestmark = [pytest.mark.network]

README = "---\nsdk: gradio\nsdk_version: 6.31.0\n---\n"
APP = """
import os
import gradio as gr
with gr.Blocks() as demo:
    gr.Interface(lambda text: f"{{text}} {said}", "text", "text", api_name="say")
demo.launch()
"""


COUNTER = """
import uuid
import gradio as gr
me = uuid.uuid4().hex
def count(seen):
    return seen + 1, f"{me} {seen + 1}"
with gr.Blocks() as demo:
    gr.Button().click(count, seen := gr.State(0), [seen, gr.Textbox()], api_name="count")
demo.launch()
"""


def push(api: HfApi, space: str, **files: str) -> str:
    """Commit *files* and return the commit's id."""
    named = {name.replace("_py", ".py").replace("_txt", ".txt"): text for name, text in files.items()}
    operations = [
        CommitOperationAdd(name, text.encode()) for name, text in {"README.md": README, **named}.items()
    ]
    return str(api.create_commit(space, operations, repo_type="space", commit_message="change").oid)


def wait(api: HfApi, space: str, *, sha: str | None = None, limit: float = 180) -> dict[str, Any]:
    """Return the runtime once it is final and, when it is RUNNING, at *sha*."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        runtime: dict[str, Any] = api.get_space_runtime(space).raw
        stage = runtime["stage"]
        if "ERROR" in stage or stage == "NO_APP_FILE" or (stage == "RUNNING" and runtime.get("sha") == sha):
            return runtime
        time.sleep(0.1)
    raise AssertionError(runtime)


@pytest.fixture
def hub(fresh_hub: HubProcess) -> HubProcess:
    return fresh_hub.start()


def test_push_predict_kill_return(hub: HubProcess):
    """
    A pushed Space answers predictions; after kill -9 of the Hub it goes on under the next one: the same
    process, at the same address, with its logs.
    """
    api = hub.api
    api.create_repo("ada/demo", repo_type="space", space_sdk="gradio")
    sha = push(api, "ada/demo", app_py=APP.format(said="hello"))
    assert wait(api, "ada/demo", sha=sha)["stage"] == "RUNNING"
    host = api.space_info("ada/demo").host
    assert Client(host, verbose=False).predict("oh", api_name="/say") == "oh hello"
    build = "".join(api.fetch_space_logs("ada/demo", build=True))
    assert f"Commit SHA: {sha[:7]} =====" in build
    assert "gradio[oauth,mcp]==6.31.0" in build
    (keeper,) = (one for one in psutil.Process(hub.pid).children() if "keeper.py" in " ".join(one.cmdline()))

    hub.kill()

    hub.start()
    assert hub.api.get_space_runtime("ada/demo").stage == "RUNNING"
    assert keeper.is_running()
    assert hub.api.space_info("ada/demo").host == host
    assert Client(host, verbose=False).predict("oh", api_name="/say") == "oh hello"
    assert "".join(hub.api.fetch_space_logs("ada/demo", build=True)) == build


@pytest.mark.parametrize(
    ("requirements", "reason"),
    [("gradio==3.50.2", "ResolutionImpossible"), ("./wheels/thing-1.0-py3-none-any.whl", "wheels/thing-1.0")],
)
def test_requirements_that_fail_on_the_hub_fail_here(hub: HubProcess, requirements: str, reason: str):
    """
    A pin that contradicts the SDK's, and a wheel from the repository, end in BUILD_ERROR with the Hub's line.
    """
    api = hub.api
    api.create_repo("ada/broken", repo_type="space", space_sdk="gradio")
    push(api, "ada/broken", app_py="", requirements_txt=requirements)
    runtime = wait(api, "ada/broken")
    assert runtime["stage"] == "BUILD_ERROR"
    assert runtime["errorMessage"].startswith("Job failed with exit code: 1. Reason: cache miss: [")
    log = "".join(api.fetch_space_logs("ada/broken", build=True))
    assert reason in log
    last = log.strip().splitlines()[-1]
    assert last.startswith('--> ERROR: process "/bin/sh -c pip install')
    assert last.endswith("did not complete successfully: exit code: 1")


@pytest.mark.slow
def test_layer_is_installed_once_and_compiled_after_the_first_start(hub: HubProcess):
    """
    A second Space with the same requirements installs nothing; byte code is there soon after the first runs.
    """
    api = hub.api
    for name in ("one", "two"):
        api.create_repo(f"ada/{name}", repo_type="space", space_sdk="gradio")
        sha = push(api, f"ada/{name}", app_py=APP.format(said=name))
        assert wait(api, f"ada/{name}", sha=sha)["stage"] == "RUNNING"
    layers = [path for path in (hub.data / "layers").iterdir() if (path / "venv").exists()]
    assert len(layers) == 1
    assert "CACHED" in "".join(api.fetch_space_logs("ada/two", build=True))
    deadline = time.monotonic() + 120
    while not _compiled(layers[0]):
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.slow
def test_clients_stay_with_their_replica(hub: HubProcess):
    """
    Of two replicas each client of Gradio has one, which keeps its session's state, also under the next Hub;
    who calls without cookies, as with `curl`, finds the result.
    """
    api = hub.api
    api.create_repo("ada/many", repo_type="space", space_sdk="gradio", space_hardware="cpu-upgrade")
    scale(hub, "ada/many", 2)
    sha = push(api, "ada/many", app_py=COUNTER)
    assert wait(api, "ada/many", sha=sha)["stage"] == "RUNNING"
    until_all_answer(hub, "ada/many", 2)
    host = api.space_info("ada/many").host
    clients = [Client(host, verbose=False) for _ in range(4)]
    told = [[client.predict(api_name="/count") for _ in range(3)] for client in clients]
    named = {name for counts in told for name, _ in map(str.split, counts)}
    assert len(named) == 2
    assert [[number for _, number in map(str.split, counts)] for counts in told] == [["1", "2", "3"]] * 4
    for _ in range(4):
        call = f"{host}/gradio_api/call/count"
        event = httpx.post(call, json={"data": []}, timeout=30).json()["event_id"]
        assert "event: complete" in httpx.get(f"{call}/{event}", timeout=30).text

    hub.kill()
    hub.start()

    until_all_answer(hub, "ada/many", 2)
    for client, counts in zip(clients, told, strict=True):
        assert client.predict(api_name="/count") == counts[-1].replace(" 3", " 4")


def _compiled(layer: Path) -> bool:
    return (layer / "compiled").exists()
