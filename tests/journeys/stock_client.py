"""
What anybody's script does with the official client, which knows the Hub only by HF_ENDPOINT and HF_TOKEN.

Prints one JSON object with what it saw at each step; the test next to it says what that must be.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from gradio_client import Client
from huggingface_hub import HfApi

CARD = "---\ntitle: Echo\nsdk: gradio\nsdk_version: 6.31.0\napp_file: app.py\n---\n"
APP = """import os
import gradio as gr

def answer(text):
    return f"{text} {os.environ['GREETING']} {len(os.environ['PASSWORD'])}"

gr.Interface(answer, "text", "text", api_name="predict").launch()
"""


def main(name: str, folder: Path, secret: str) -> dict[str, object]:
    """Create, push, ask, change, pause, restart, delete; return what was seen."""
    api = HfApi()
    space = f"{api.whoami()['name']}/{name}"
    (folder / "README.md").write_text(CARD)
    (folder / "app.py").write_text(APP)
    seen: dict[str, object] = {"space": space}

    api.create_repo(
        space,
        repo_type="space",
        space_sdk="gradio",
        space_hardware="cpu-basic",
        space_secrets=[{"key": "PASSWORD", "value": secret}],
        space_variables=[{"key": "GREETING", "value": "hello"}],
    )
    commit = api.upload_folder(repo_id=space, repo_type="space", folder_path=folder)
    seen["head"] = commit.oid
    runtime = _wait(api, space, commit.oid)
    seen["stage"], seen["sha"] = runtime.stage, runtime.raw.get("sha")
    host = api.space_info(space).host
    seen["host"] = host
    seen["answer"] = _predict(host)

    api.add_space_variable(space, "GREETING", "good evening")
    seen["answer after the change"] = _until(lambda: _predict(host), lambda found: "good evening" in found)
    api.pause_space(space)
    seen["paused"] = api.get_space_runtime(space).stage
    api.restart_space(space)
    _wait(api, space, commit.oid)
    seen["answer after the restart"] = _predict(host)
    seen["build log"] = "".join(api.fetch_space_logs(space, build=True))
    seen["run log"] = "".join(api.fetch_space_logs(space))
    api.delete_repo(space, repo_type="space")
    seen["exists"] = api.repo_exists(space, repo_type="space")
    return seen


def _wait(api: HfApi, space: str, sha: str):
    """``wait_for_space`` stops at the old RUNNING, so compare the commit too."""
    return _until(
        lambda: api.get_space_runtime(space),
        lambda r: (
            (r.stage == "RUNNING" and r.raw.get("sha") == sha)
            or r.stage in ("BUILD_ERROR", "RUNTIME_ERROR", "CONFIG_ERROR")
        ),
    )


def _predict(host: str) -> str:
    client = Client(host, verbose=False)
    try:
        return str(client.predict("Ada", api_name="/predict"))
    finally:
        client.close()


def _until(look, is_it, timeout: float = 120):
    deadline = time.monotonic() + timeout
    while True:
        try:
            found = look()
            if is_it(found):
                return found
        except (ValueError, OSError) as error:  # between two replicas of a restart
            found = error
        if time.monotonic() > deadline:
            raise TimeoutError(str(found))
        time.sleep(0.2)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])))
