"""Every kind of Space in every engine that runs it, pushed by the unmodified official client."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psutil
import pytest
from huggingface_hub import CommitOperationAdd
from tests import needs
from tests.conftest import HubProcess
from tests.dockerd import Dockerd

pytestmark = [pytest.mark.slow, pytest.mark.network]

SECRET = "canary-d41d8cd98f00b204"
VARIABLE = "good morning"
# Uses the secret, and tells only its length.
PYTHON = """
import http.server, os, signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        names = [os.environ.get(name, "?") for name in ("GREETING", "SPACE_ID", "CPU_CORES", "MEMORY")]
        body = " / ".join([*names, str(len(os.environ["KEY"])), str(os.getuid())]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
address = (os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0"), int(os.environ.get("GRADIO_SERVER_PORT", "7860")))
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""
DOCKERFILE = """FROM python:3.11
ARG GREETING
RUN --mount=type=secret,id=KEY test "$(wc -c < /run/secrets/KEY)" = 23 && echo "built for $GREETING"
WORKDIR /app
COPY . .
CMD ["python", "app.py"]
"""
STREAMLIT = """
import os
import streamlit as st
print("greeting:", os.environ["GREETING"], len(os.environ["KEY"]))
st.title(os.environ["GREETING"])
"""
STATIC = "<!doctype html><title>{}</title><script>document.title = huggingface.variables.GREETING</script>"


@dataclass(frozen=True)
class Kind:
    """One SDK in one engine."""

    sdk: str
    engine: str
    fidelity: str
    files: dict[str, str]
    header: str = ""
    page: str = VARIABLE  # what its page must show
    run_log: str = ""
    marks: tuple[Any, ...] = field(default=())

    @property
    def case(self) -> Any:
        return pytest.param(self, id=f"{self.sdk}-{self.engine}", marks=self.marks)


UID_1000 = f"{VARIABLE} / ada/kind / 2 / 16Gi / 23 / 1000"
GRADIO = {"app.py": PYTHON}
IMAGE = {"app.py": PYTHON, "Dockerfile": DOCKERFILE}
KINDS = (
    Kind("gradio", "sandbox", "sandbox", GRADIO, page=UID_1000, marks=(pytest.mark.sandbox,)),
    Kind("gradio", "process", "process", GRADIO),
    Kind("static", "hub", "static", {"index.html": STATIC}),
    Kind("docker", "docker", "container", IMAGE, page=UID_1000, marks=(pytest.mark.docker,)),
    Kind("docker", "buildah", "container", IMAGE, page=UID_1000, marks=(pytest.mark.buildah,)),
    Kind(
        "streamlit",
        "docker",
        "container",
        {"app.py": STREAMLIT},
        header="preload_from_hub:\n- ada/tiny config.json\n",
        page="Streamlit",
        # The Hub says at each push that this is no SDK any more.
        marks=(pytest.mark.docker, pytest.mark.filterwarnings("ignore:(?s).*streamlit is no longer")),
    ),
)


@pytest.fixture
def hub(fresh_hub: HubProcess, request: pytest.FixtureRequest, tmp_path: Path) -> HubProcess:
    """A Hub that finds only the engine that the test is about."""
    engine = request.node.callspec.params["kind"].engine
    fresh_hub.environment = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}
    if engine == "docker":
        fresh_hub.environment = {"DOCKER_HOST": request.getfixturevalue("dockerd").host}
    elif engine == "buildah":
        images = fresh_hub.data / "images"
        images.mkdir(parents=True)
        (images / "buildah").symlink_to(request.getfixturevalue("buildah"))
    elif engine == "process":
        fresh_hub.environment["PATH"] = str(path_without(tmp_path / "programs", "bwrap"))
    elif engine == "sandbox":
        needs.bwrap()
    return fresh_hub.start()


def path_without(folder: Path, name: str) -> Path:
    """Make a folder of links to every program on PATH but *name*."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).glob("*"):
            link = folder / program.name
            if program.name != name and not link.is_symlink():
                link.symlink_to(program)
    return folder


def push(hub: HubProcess, space: str, kind: Kind, secret: str = SECRET) -> str:
    """Make a Space with a variable and a secret, and return its commit."""
    hub.api.create_repo(
        space,
        repo_type="space",
        space_sdk="static" if kind.sdk == "static" else "docker",
        space_variables=[{"key": "GREETING", "value": VARIABLE}],
        space_secrets=[{"key": "KEY", "value": secret}],
    )
    files = {"README.md": f"---\nsdk: {kind.sdk}\n{kind.header}---\n"} | kind.files
    operations = [CommitOperationAdd(name, text.encode()) for name, text in files.items()]
    sha = hub.api.create_commit(space, operations, repo_type="space", commit_message="push").oid
    deadline = time.monotonic() + 280
    while True:
        runtime = hub.api.get_space_runtime(space).raw
        if "ERROR" in runtime["stage"]:
            log = "".join(hub.api.fetch_space_logs(space, build=runtime["stage"] == "BUILD_ERROR"))
            raise AssertionError(f"{runtime['errorMessage']}\n{log}")
        assert time.monotonic() < deadline, runtime
        if runtime["stage"] == "RUNNING" and runtime["spacehand"]["serving"] == sha:
            return sha
        time.sleep(0.1)


@pytest.mark.parametrize("kind", [kind.case for kind in KINDS])
@pytest.mark.timeout(400)
def test_a_space_runs_and_keeps_its_secret(hub: HubProcess, kind: Kind, request: pytest.FixtureRequest):
    """
    Its own page shows the variable; the secret is used, and is found nowhere a stranger could look.
    """
    if "preload_from_hub" in kind.header:
        hub.api.create_repo("ada/tiny")
        hub.api.upload_file(path_or_fileobj=b"tiny", path_in_repo="config.json", repo_id="ada/tiny")
    push(hub, "ada/kind", kind)
    runtime = hub.api.get_space_runtime("ada/kind").raw
    assert runtime["spacehand"]["fidelity"] == kind.fidelity
    page = httpx.get(str(hub.api.space_info("ada/kind").host), timeout=60).text
    assert kind.page in page
    places = {
        "page": page,
        "build log": "".join(hub.api.fetch_space_logs("ada/kind", build=True)),
        "run log": "".join(hub.api.fetch_space_logs("ada/kind")),
        "command lines": command_lines(),
        "environments as another user": environments_as(uid=12345),
        "the Hub's own log": hub.log,
    }
    if kind.engine == "docker":
        places |= images_of_docker(request.getfixturevalue("dockerd"))
    if kind.engine == "buildah":
        places |= images_of_buildah(request.getfixturevalue("buildah"))
    assert [name for name, text in places.items() if SECRET in text] == []
    if "Dockerfile" in kind.files:
        assert f"built for {VARIABLE}" in places["build log"]
    if kind.sdk == "streamlit":
        assert "[spacehand] `sdk: streamlit` is no SDK of huggingface.co any more" in places["build log"]
        assert "--> Preloading ada/tiny@" in places["build log"]
        assert preloaded(request.getfixturevalue("dockerd")) == "tiny"


def preloaded(daemon: Dockerd) -> str:
    """Return what the app's user finds in the client's cache, and may add to."""
    container = daemon.run("ps", "--quiet", "--filter", "label=spacehand.space=ada/kind").stdout.strip()
    look = "cd ~/.cache/huggingface/hub && touch models--ada--tiny/new && cat models--ada--tiny/snapshots/*/*"
    return daemon.run("exec", container, "sh", "-c", look).stdout


def command_lines() -> str:
    return "\n".join(" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"]))


def environments_as(uid: int) -> str:
    """Return all environments of processes that *uid* may read."""
    program = f"""
import glob, os
os.setgroups([]); os.setgid({uid}); os.setuid({uid})
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        print(open(path, "rb").read())
    except OSError:
        pass
"""
    return subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True).stdout


def images_of_docker(dockerd: Dockerd) -> dict[str, str]:
    """Return what docker tells and keeps of the images: history, configuration, every byte of every layer."""
    names = dockerd.run("images", "--quiet", "--filter", "label=spacehand.space").stdout.split()
    assert names
    told = {}
    for name in set(names):
        told[f"history of {name}"] = dockerd.run("history", "--no-trunc", name).stdout
        told[f"configuration of {name}"] = dockerd.run("image", "inspect", name).stdout
    # Beside them the daemon keeps the containers that run, with their environment, for root alone.
    for part in ("overlay2", "image", "buildkit"):
        told[part] = found_in(dockerd.root / "data" / part)
    return told


def images_of_buildah(folder: Path) -> dict[str, str]:
    """Return what buildah keeps: images, layers and what runs."""
    return {"storage": found_in(folder)}


def found_in(folder: Path) -> str:
    """Return the names of the files below *folder* that hold the secret, with the secret."""
    words = [
        "grep",
        "--recursive",
        "--files-with-matches",
        "--devices=skip",
        "--fixed-strings",
        SECRET,
        str(folder),
    ]
    found = subprocess.run(words, capture_output=True, text=True).stdout.splitlines()
    return "\n".join(f"{path}: {SECRET}" for path in found)


SPY = """
import glob, http.server, signal, os
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b""
        for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
            try:
                body += open(path, "rb").read()
            except OSError:
                pass
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("0.0.0.0", 7860), Handler).serve_forever()
"""


@pytest.mark.parametrize("kind", [kind.case for kind in KINDS if kind.page == UID_1000])
def test_a_sibling_does_not_see_it(hub: HubProcess, kind: Kind):
    """
    Another Space in the same engine finds its own secret among the processes it sees, and nobody else's.
    """
    push(hub, "ada/kind", kind)
    spy = Kind(kind.sdk, kind.engine, kind.fidelity, {**kind.files, "app.py": SPY})
    push(hub, "ada/spy", spy, secret="o" * 23)
    seen = httpx.get(str(hub.api.space_info("ada/spy").host), timeout=60).text
    assert "o" * 23 in seen
    assert SECRET not in seen
