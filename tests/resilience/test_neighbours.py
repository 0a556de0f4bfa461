"""Two Spaces on one Hub: what the app of one can find out about the other, its owner and the machine."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx2 as httpx
import pytest
from huggingface_hub import CommitOperationAdd
from tests import needs
from tests.conftest import HubProcess

README = "---\nsdk: gradio\nsdk_version: 6.31.0\n---\n"
SPY = """
import glob, http.server, json, os, socket, urllib.error, urllib.request
HUB = os.environ["HF_ENDPOINT"]
def ask(path, host=None):
    request = urllib.request.Request(HUB + path, headers={"Host": host} if host else {})
    try:
        return [urllib.request.urlopen(request, timeout=10).status, ""]
    except urllib.error.HTTPError as error:
        return [error.code, error.read(2000).decode("utf-8", "replace")]
def reach(port):
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
        return True
    except OSError:
        return False
def read(path):
    try:
        return open(path, "rb").read().decode("latin-1")
    except OSError:
        return ""
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told = {}
        if self.path == "/headers":
            told = {"headers": list(self.headers.items())}
        if self.path.startswith("/spy"):
            length = int(self.headers.get("X-Port", 0))
            told["answers"] = {path: ask(path) for path in json.loads(self.headers["X-Paths"])}
            told["other host"] = ask("/", self.headers["X-Host"])
            told["reached"] = reach(length)
            told["files"] = [read(path) for path in json.loads(self.headers["X-Files"])]
            told["environments"] = "".join(read(path) for path in glob.glob("/proc/[0-9]*/environ"))
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("0.0.0.0", 7860), Handler).serve_forever()
"""
PATHS = [
    "/api/whoami-v2",
    "/api/spacehand/tokens",
    "/api/spaces/ada/spy/secrets",
    "/api/spaces/ada/spy/variables",
    "/api/spaces/ada/spy/logs/run",
    "/api/spaces/ada/hidden",
    "/api/spaces/ada/hidden/secrets",
    "/api/spaces/ada/hidden/variables",
    "/spaces/ada/hidden/resolve/main/README.md",
]


@pytest.fixture
def hub(fresh_hub: HubProcess) -> HubProcess:
    needs.bwrap()
    return fresh_hub.start()


def bring_up(hub: HubProcess, space: str, *, private: bool, secret: str) -> str:
    """Make a Space, wait until it runs, and return its own URL."""
    secrets = [{"key": "OWN", "value": secret}]
    hub.api.create_repo(space, repo_type="space", space_sdk="gradio", private=private, space_secrets=secrets)
    files = {"README.md": README, "app.py": SPY}
    operations = [CommitOperationAdd(path, text.encode()) for path, text in files.items()]
    sha = hub.api.create_commit(space, operations, repo_type="space", commit_message="spy").oid
    deadline = time.monotonic() + 150
    runtime: dict[str, Any] = {}
    while not (runtime.get("stage") == "RUNNING" and runtime.get("sha") == sha):
        assert time.monotonic() < deadline, runtime
        assert "ERROR" not in runtime.get("stage", ""), runtime.get("errorMessage")
        time.sleep(0.1)
        runtime = hub.api.get_space_runtime(space).raw
    return str(hub.api.space_info(space).host)


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.network
def test_a_space_learns_nothing_of_another(hub: HubProcess):
    """
    A sandboxed app is nobody to the Hub: it has no token, sees no private repository, reaches no other
    Space's port, reads no file of the Hub's and no other app's environment.
    """
    hidden = bring_up(hub, "ada/hidden", private=True, secret="hidden-canary")
    spy = bring_up(hub, "ada/spy", private=False, secret="own-canary")
    headers = {
        "X-Paths": json.dumps(PATHS),
        "X-Host": f"ada-hidden.localhost:{hub.port}",
        "X-Port": hidden.rpartition(":")[2],
        "X-Files": json.dumps([str(hub.data / name) for name in ("token", "secret.key", "hub.sqlite")]),
    }
    # What a browser and a careless client would send along.
    headers |= {"Cookie": "spacehand_session=s; spacehand_space_1=t", "Authorization": f"Bearer {hub.token}"}

    told = httpx.get(f"{spy}/spy", headers=headers, timeout=60).json()
    seen = httpx.get(f"{spy}/headers", headers=headers).text

    assert {path: answer[0] for path, answer in told["answers"].items()} == dict.fromkeys(PATHS, 401)
    assert told["other host"][0] == 404
    assert told["reached"] is False
    assert told["files"] == ["", "", ""]
    assert "own-canary" in told["environments"]
    assert "hidden-canary" not in json.dumps(told)
    assert hub.token not in json.dumps(told) + seen
    assert "spacehand_s" not in seen
