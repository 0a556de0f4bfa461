from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import OWNER, HubProcess

from spacehand.errors import (
    AuthError,
    ConflictError,
    FrontMatterError,
    HubUnreachableError,
    NotFoundError,
    PaymentError,
    QuotaError,
    SpacehandError,
)
from spacehand.hub._protocol import Hub, LocalFile, SpaceSettings
from spacehand.hub.remote import RemoteHub
from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.stage import Stage

CANARY = "canaryCANARYcanaryCANARY"


@pytest.fixture
def hub(local_hub: HubProcess) -> Hub:
    return RemoteHub(local_hub.url, local_hub.token)


@pytest.fixture
def repo(name: str) -> RepoId:
    return RepoId(OWNER, name)


def text(path: str, content: str) -> LocalFile:
    return LocalFile(path, content=content.encode())


def page(hub: Hub, space: RepoId, **settings: object) -> None:
    hub.create_space(space, SpaceSettings("static", **settings))  # type: ignore[arg-type]


def test_who_the_token_belongs_to(hub: Hub) -> None:
    """The account tells its name and whether it may write."""
    account = hub.whoami()
    assert account.name == OWNER
    assert account.can_write


def test_a_repository_that_is_not_there_has_no_head(hub: Hub, repo: RepoId) -> None:
    """Absence is an answer, not an error."""
    assert hub.head(RepoKind.MODEL, repo) is None
    assert hub.head(RepoKind.SPACE, repo) is None


def test_replicas_are_set_and_told(hub: Hub, repo: RepoId) -> None:
    """The Hub has a call for them that the official client has not; free hardware has one."""
    hub.create_space(repo, SpaceSettings("gradio", hardware="cpu-upgrade"))
    assert hub.runtime(repo).requested_replicas == 1
    hub.set_replicas(repo, 3)
    assert hub.runtime(repo).requested_replicas == 3
    hub.set_hardware(repo, "cpu-basic", None)
    assert hub.runtime(repo).requested_replicas == 1
    with pytest.raises(SpacehandError, match="`cpu-basic` is free"):
        hub.set_replicas(repo, 2)


def test_a_model_is_created_once(hub: Hub, repo: RepoId) -> None:
    """Creating it again changes nothing and gives the same address."""
    url = hub.create_model(repo, Visibility.PUBLIC)
    head = hub.head(RepoKind.MODEL, repo)

    assert hub.create_model(repo, Visibility.PUBLIC) == url
    assert hub.head(RepoKind.MODEL, repo) == head


def test_a_commit_adds_and_deletes_at_once(hub: Hub, repo: RepoId, tmp_path: Path) -> None:
    """Text, large files and deletions make one commit; sizes and digests are those of the content."""
    hub.create_model(repo, Visibility.PUBLIC)
    (tmp_path / "w").write_bytes(b"\0" * 100_000)
    files = [text("old.txt", "old"), LocalFile("model.safetensors", source=tmp_path / "w")]
    first = hub.commit(RepoKind.MODEL, repo, files=files, delete=[], message="one", parent=None)

    second = hub.commit(
        RepoKind.MODEL,
        repo,
        files=[text("ä b.txt", "new")],
        delete=["old.txt"],
        message="two",
        parent=first.revision,
    )

    there = hub.files(RepoKind.MODEL, repo)
    assert {*there} - {".gitattributes"} == {"model.safetensors", "ä b.txt"}
    assert there["model.safetensors"].size == 100_000
    assert there["model.safetensors"].sha256 is not None
    assert there["ä b.txt"].sha256 is None
    assert (first.changed, first.uploaded_bytes) == (True, 100_003)
    assert second.uploaded_bytes == 3
    assert second.revision == hub.head(RepoKind.MODEL, repo)
    assert hub.read(RepoKind.MODEL, repo, "ä b.txt") == b"new"
    assert hub.read(RepoKind.MODEL, repo, "old.txt") is None
    assert hub.read(RepoKind.MODEL, repo, "old.txt", first.revision) == b"old"


def test_the_same_files_again_make_no_commit(
    hub: Hub, repo: RepoId, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing changed: the head stays, no byte is counted, and nobody prints anything."""
    hub.create_model(repo, Visibility.PUBLIC)
    first = hub.commit(RepoKind.MODEL, repo, files=[text("a", "1")], delete=[], message="m", parent=None)

    for files in ([text("a", "1")], []):
        again = hub.commit(RepoKind.MODEL, repo, files=files, delete=[], message="m", parent=first.revision)
        assert (again.revision, again.changed, again.uploaded_bytes) == (first.revision, False, 0)
    assert "".join(capfd.readouterr()) == ""


def test_a_stale_parent_overwrites_nothing(hub: Hub, repo: RepoId) -> None:
    """Somebody pushed in between: theirs stays."""
    hub.create_model(repo, Visibility.PUBLIC)
    old = hub.head(RepoKind.MODEL, repo)
    hub.commit(RepoKind.MODEL, repo, files=[text("a", "theirs")], delete=[], message="m", parent=old)

    with pytest.raises(ConflictError):
        hub.commit(RepoKind.MODEL, repo, files=[text("a", "ours")], delete=[], message="m", parent=old)
    assert hub.read(RepoKind.MODEL, repo, "a") == b"theirs"


def test_bad_front_matter_is_refused_before_anything_is_sent(hub: Hub, repo: RepoId) -> None:
    """The Hub's own validation becomes an error about the README."""
    page(hub, repo)
    bad = "---\nsdk: static\ncolorFrom: mauve\n---\n"
    with pytest.raises(FrontMatterError):
        hub.commit(RepoKind.SPACE, repo, files=[text("README.md", bad)], delete=[], message="m", parent=None)


def test_a_space_is_created_with_all_its_settings(hub: Hub, repo: RepoId) -> None:
    """One call sets variables and secrets; values of secrets never come back."""
    page(hub, repo, variables={"A": "1"}, secrets={"TOKEN": CANARY})

    assert hub.variables(repo) == {"A": "1"}
    assert list(hub.secret_names(repo)) == ["TOKEN"]
    assert CANARY not in repr(hub.secret_names(repo))
    with pytest.raises(ConflictError):
        page(hub, repo)


def test_settings_change_one_by_one(hub: Hub, repo: RepoId) -> None:
    """Variables and secrets are set and removed by name."""
    page(hub, repo)

    hub.set_variable(repo, "A", "1")
    hub.set_variable(repo, "B", "2")
    hub.delete_variable(repo, "A")
    hub.set_secret(repo, "S", CANARY)
    hub.set_secret(repo, "T", CANARY)
    hub.delete_secret(repo, "S")

    assert hub.variables(repo) == {"B": "2"}
    assert list(hub.secret_names(repo)) == ["T"]


def test_a_static_space_is_followed_to_running(hub: Hub, repo: RepoId) -> None:
    """Events tell each stage; the log and the app's own address are there to be read."""
    page(hub, repo)
    hub.commit(
        RepoKind.SPACE, repo, files=[text("index.html", "<h1>hi")], delete=[], message="m", parent=None
    )

    stages = []
    for seen in hub.events(repo, timeout=30):
        stages.append(seen.stage)
        if seen.stage is Stage.RUNNING:
            break

    assert stages[-1] is Stage.RUNNING
    assert "Build Queued" in next(hub.logs(repo, "build")).text
    assert hub.app_url(repo).startswith("http://127.0.0.1:")
    assert hub.page_url(RepoKind.SPACE, repo).endswith(f"/spaces/{repo}")


def test_prices_are_those_of_the_table(hub: Hub) -> None:
    """The Hub counts per minute; people pay, and read, per hour."""
    prices = {flavor.name: flavor.usd_per_hour for flavor in hub.flavors()}
    assert (prices["cpu-basic"], prices["cpu-upgrade"], prices["t4-small"]) == (0, 0.03, 0.4)


def test_a_wrong_token_is_an_auth_error(local_hub: HubProcess, repo: RepoId) -> None:
    """Neither the error nor the hub's repr repeats the token."""
    hub = RemoteHub(local_hub.url, f"hf_{CANARY}")
    with pytest.raises(AuthError) as caught:
        hub.whoami()
    with pytest.raises(AuthError):
        hub.create_model(repo, Visibility.PUBLIC)
    assert CANARY not in repr(caught.value) + repr(hub) + str(caught.value.to_json())


def test_without_a_token_none_is_sent(
    local_hub: HubProcess, repo: RepoId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HF_TOKEN in the environment belongs to another Hub: the client must not send it here."""
    monkeypatch.setenv("HF_TOKEN", local_hub.token)
    hub = RemoteHub(local_hub.url)

    with pytest.raises(AuthError):
        hub.whoami()
    with pytest.raises(AuthError):
        hub.create_model(repo, Visibility.PUBLIC)


def test_a_space_that_is_not_there(hub: Hub, repo: RepoId) -> None:
    """Asking about it is an error of its own, with its own exit code."""
    with pytest.raises(NotFoundError):
        hub.runtime(repo)


def test_nobody_listens() -> None:
    """A refused connection is told at once, with the command that starts a Hub."""
    hub = RemoteHub("http://127.0.0.1:1", "hf_x")
    for ask in (hub.whoami, lambda: hub.create_model(RepoId("a", "b"), Visibility.PUBLIC)):
        with pytest.raises(HubUnreachableError) as caught:
            ask()
        assert "spacehand hub serve" in str(caught.value.hint)


class Script(http.server.ThreadingHTTPServer):
    """Answers requests with what the test wrote down, in order; for failures no real Hub has on request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answers: list[tuple[int, dict[str, str], object]] = []
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answering(http.server.BaseHTTPRequestHandler):
    server: Script

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        status, headers, body = self.server.answers.pop(0)
        content = json.dumps(body).encode()
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def script() -> Iterator[Script]:
    server = Script()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_one_503_is_tried_again(script: Script) -> None:
    """A Hub that restarts behind its proxy is asked again after a pause."""
    slept: list[float] = []
    script.answers = [(503, {}, {}), (502, {"Retry-After": "3"}, {}), (200, {}, {"A": {"value": "1"}})]

    assert RemoteHub(script.url, "hf_x", sleep=slept.append).variables(RepoId("a", "b")) == {"A": "1"}
    assert len(slept) == 2
    assert slept[1] == 3


def test_a_rate_limit_that_ends_soon_is_waited_for(script: Script) -> None:
    """The pause the Hub asks for is kept; a long one is told with its seconds."""
    slept: list[float] = []
    hub = RemoteHub(script.url, "hf_x", sleep=slept.append)
    script.answers = [(429, {"RateLimit": '"api";r=0;t=20'}, {}), (200, {}, {})]
    assert hub.variables(RepoId("a", "b")) == {}
    assert slept == [21]

    script.answers = [(429, {"RateLimit": '"api";r=0;t=290'}, {"error": "Too Many Requests"})]
    with pytest.raises(QuotaError) as caught:
        hub.variables(RepoId("a", "b"))
    assert "291 s" in str(caught.value.hint)


def test_a_payment_that_is_asked_for_lists_the_ways_on(script: Script) -> None:
    """402 at the creation of a Space: exit 5, with the four routes, and the secret cut out of any echo."""
    script.answers = [(402, {}, {"error": f"Payment required for {CANARY}"})]

    with pytest.raises(PaymentError, match="Payment required") as caught:
        page(RemoteHub(script.url, "hf_x"), RepoId("a", "b"), secrets={"S": CANARY})

    assert "zero-a10g" in str(caught.value.hint)
    assert CANARY not in str(caught.value.to_json())


def test_a_refused_secret_is_not_repeated(script: Script) -> None:
    """A Hub that echoes what it refuses does not make us echo it."""
    script.answers = [(400, {}, {"error": f"`{CANARY}` is too short"})]
    with pytest.raises(Exception, match="too short") as caught:
        RemoteHub(script.url, "hf_x").set_secret(RepoId("a", "b"), "S", CANARY)
    assert CANARY not in str(caught.value)
