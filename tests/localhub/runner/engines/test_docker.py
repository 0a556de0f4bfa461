"""Spaces with a Dockerfile in a real docker daemon, pushed by the unmodified official client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from huggingface_hub import CommitOperationAdd
from tests.conftest import HubProcess
from tests.dockerd import Dockerd

from spacehand.localhub.runner.engines import docker_app
from spacehand.localhub.runner.engines.docker_app import DockerContainer
from spacehand.localhub.store.place import Place

pytestmark = [pytest.mark.slow, pytest.mark.docker]

DOCKERFILE = """FROM python:3.11
WORKDIR /app
COPY app.py .
{more}
CMD ["python", "app.py"]
"""
APP = """
import http.server, os, signal, socket
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # the first process of a container hears it only so
def reach(port):
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
        return True
    except OSError:
        return False
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = str({answer}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
{before}
http.server.ThreadingHTTPServer(("0.0.0.0", {port}), Handler).serve_forever()
"""
WRITES = "open('/tmp/some', 'wb').write(os.urandom(3_000_000))"
HOLD = """
kept = []
def hold():
    while True:
        kept.append(os.urandom(1 << 20))
"""


@pytest.fixture(scope="module")
def shared(dockerd: Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """One Hub for the tests that only need a Space of their own."""
    hub = HubProcess(tmp_path_factory.mktemp("docker") / "hub", environment={"DOCKER_HOST": dockerd.host})
    yield hub.start()
    hub.stop()


@pytest.fixture
def hub(fresh_hub: HubProcess, dockerd: Dockerd) -> HubProcess:
    fresh_hub.environment = {"DOCKER_HOST": dockerd.host}
    return fresh_hub.start()


def push(hub: HubProcess, space: str, header: str = "", **files: str | None) -> str:
    """Commit a Space with a Dockerfile and return the commit's id."""
    given = {"README.md": f"---\nsdk: docker\n{header}---\n", "Dockerfile": DOCKERFILE.format(more="")}
    given |= {name.replace("_py", ".py"): text for name, text in files.items()}  # type: ignore[dict-item]
    hub.api.create_repo(space, repo_type="space", space_sdk="docker", exist_ok=True)
    operations = [CommitOperationAdd(name, text.encode()) for name, text in given.items() if text is not None]
    return str(hub.api.create_commit(space, operations, repo_type="space", commit_message="change").oid)


def app(answer: str = "'hello'", *, before: str = "", port: int = 7860) -> str:
    return APP.format(answer=answer, before=before, port=port)


def settled(hub: HubProcess, space: str, sha: str | None = None) -> dict[str, Any]:
    """Return the runtime once it is an error, or RUNNING at *sha*."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        runtime: dict[str, Any] = hub.api.get_space_runtime(space).raw
        if "ERROR" in runtime["stage"] or runtime["stage"] == "NO_APP_FILE":
            return runtime
        if runtime["stage"] == "RUNNING" and runtime.get("sha") == sha:
            return runtime
        time.sleep(0.05)
    raise AssertionError(runtime)


def page(hub: HubProcess, space: str) -> str:
    return str(httpx.get(str(hub.api.space_info(space).host), timeout=30).text)


def test_no_container_outlives_its_hub(hub: HubProcess, dockerd: Dockerd):
    """
    After kill -9 of the Hub its container goes on, and the next Hub serves it; a Hub that stops leaves none.
    """
    sha = push(hub, "ada/demo", app_py=app())
    assert settled(hub, "ada/demo", sha)["stage"] == "RUNNING"
    build = "".join(hub.api.fetch_space_logs("ada/demo", build=True))
    assert page(hub, "ada/demo") == "hello"
    ours = f"label=spacehand.hub={Place(hub.data).mark}"
    containers = dockerd.run("ps", "--quiet", "--filter", ours).stdout.split()
    assert len(containers) == 1

    hub.kill()
    hub.start()

    assert hub.api.get_space_runtime("ada/demo").stage == "RUNNING"
    assert page(hub, "ada/demo") == "hello"
    assert dockerd.run("ps", "--all", "--quiet", "--filter", ours).stdout.split() == containers
    assert "".join(hub.api.fetch_space_logs("ada/demo", build=True)) == build
    hub.stop()
    assert not dockerd.run("ps", "--all", "--quiet", "--filter", ours).stdout.strip()


def test_a_container_is_shut_in(shared: HubProcess):
    """
    The app is uid 1000 without rights and sees this Hub on its loopback, but no other port of this machine.
    The Space says so, and tells no other difference.
    """
    facts = "[os.getuid(), [line.split()[1] for line in open('/proc/self/status') if 'CapEff' in line or "
    facts += f"'NoNewPrivs' in line], reach({shared.port}), reach(22), os.listdir('/sys/class/net')]"
    sha = push(shared, "ada/demo", app_py=app(facts))
    runtime = settled(shared, "ada/demo", sha)
    assert runtime["stage"] == "RUNNING"
    assert runtime["spacehand"]["differences"] == ["the container reaches this Hub and no other address"]
    answer = page(shared, "ada/demo")
    assert answer == "[1000, ['0000000000000000', '1'], True, False, ['lo']]"


def test_a_daemon_elsewhere_tells_what_was_written(
    shared: HubProcess, dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch
):
    """
    What a container has written is counted here, and asked of the daemon where its files are not here.
    """
    sha = push(shared, "ada/writer", app_py=app(before=WRITES))
    assert settled(shared, "ada/writer", sha)["stage"] == "RUNNING"
    found = dockerd.run("ps", "--quiet", "--filter", "label=spacehand.space=ada/writer").stdout.strip()
    assert 3_000_000 <= DockerContainer(dockerd.host, found, 0).disk() < 4_000_000
    monkeypatch.setattr(docker_app, "written_by", lambda _shown: [])
    assert 3_000_000 <= DockerContainer(dockerd.host, found, 0).disk() < 4_000_000


def test_memory_beyond_the_limit_ends_with_the_hubs_words(shared: HubProcess, dockerd: Dockerd):
    """
    What the kernel kills for its memory is `Memory limit exceeded`.
    """
    # The limit of the container is lowered from outside: a flavour has 15 GB at least.
    sha = push(shared, "ada/hog", app_py=app("'hello' if self.path == '/' else hold()", before=HOLD))
    assert settled(shared, "ada/hog", sha)["stage"] == "RUNNING"
    container = dockerd.run("ps", "--quiet", "--filter", "label=spacehand.space=ada/hog").stdout.strip()
    dockerd.run("update", "--memory", "64m", "--memory-swap", "64m", container)
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{shared.api.space_info('ada/hog').host}/hold", timeout=60).raise_for_status()
    runtime = settled(shared, "ada/hog")
    assert runtime["stage"] == "RUNTIME_ERROR"
    assert runtime["errorMessage"] == "Memory limit exceeded (16Gi)"
    assert "exit code 137" in "".join(shared.api.fetch_space_logs("ada/hog"))


@pytest.mark.parametrize(
    ("files", "header", "stage", "message", "log"),
    [
        ({"Dockerfile": None}, "", "NO_APP_FILE", "No application file", ""),
        (
            {"Dockerfile": "FROM python:3.11\ngcc -o app\n"},
            "",
            "BUILD_ERROR",
            "dockerfile parse error on line 2: unknown instruction: gcc",
            "--> ERROR: failed to solve: dockerfile parse error on line 2",
        ),
        (
            {"Dockerfile": DOCKERFILE.format(more="RUN echo oh no; exit 3")},
            "",
            "BUILD_ERROR",
            "Job failed with exit code: 1. Reason: cache miss: [RUN echo oh no; exit 3]",
            'oh no\n--> ERROR: process "/bin/sh -c echo oh no; exit 3" did not complete successfully',
        ),
        (
            {"Dockerfile": DOCKERFILE.format(more="EXPOSE 8000"), "app.py": app(port=8000)},
            "",
            "RUNTIME_ERROR",
            "The app listens on port 8000, but the Space expects 7860",
            "[spacehand] the Dockerfile exposes 8000, but the Space expects 7860",
        ),
        (
            {"app.py": app(port=7860)},
            "app_port: 9000\n",
            "RUNTIME_ERROR",
            "The app listens on port 7860, but the Space expects 9000",
            "",
        ),
        (
            {"app.py": "import sys\nsys.exit('no such thing')"},
            "",
            "RUNTIME_ERROR",
            "Exit code: 1. Reason: no such thing",
            "",
        ),
    ],
    ids=["no Dockerfile", "syntax", "failing step", "exposed elsewhere", "another app_port", "ends at once"],
)
def test_what_fails_says_so_in_the_hubs_words(
    shared: HubProcess,
    name: str,
    files: dict[str, str | None],
    header: str,
    stage: str,
    message: str,
    log: str,
):
    """
    Each fault ends in the Hub's stage with the Hub's message, and the log tells the step.
    """
    push(shared, f"ada/{name}", header, **({"app.py": app()} | files))
    runtime = settled(shared, f"ada/{name}")
    assert runtime["stage"] == stage
    assert message in runtime["errorMessage"]
    assert not log or log in "".join(shared.api.fetch_space_logs(f"ada/{name}", build=True))


def test_what_is_no_longer_served_is_removed(hub: HubProcess, dockerd: Dockerd):
    """
    Of a Space that is pushed again and again one container and three images stay; of a deleted one, nothing.
    """
    ours = f"label=spacehand.hub={Place(hub.data).mark}"
    for number in range(5):
        sha = push(hub, "ada/demo", app_py=app(f"'version {number}'"))
        assert settled(hub, "ada/demo", sha)["stage"] == "RUNNING"
        assert page(hub, "ada/demo") == f"version {number}"
    deadline = time.monotonic() + 60
    while len(dockerd.run("ps", "--all", "--quiet", "--filter", ours).stdout.split()) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    # An image may still have been in use when the next one was built.
    assert len(set(dockerd.run("images", "--quiet", "--filter", ours).stdout.split())) in (3, 4)

    hub.api.delete_repo("ada/demo", repo_type="space")

    assert not dockerd.run("ps", "--all", "--quiet", "--filter", ours).stdout.split()
    assert not dockerd.run("images", "--quiet", "--filter", ours).stdout.split()
