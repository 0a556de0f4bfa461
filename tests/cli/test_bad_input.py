"""Whatever is wrong: one message with what, where and a hint, the right exit code, and nothing half made."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from tests.cli.conftest import Ran, Spacehand
from tests.conftest import OWNER, HubProcess
from tests.model import make

from spacehand.hub.remote import RemoteHub
from spacehand.ids import RepoId, RepoKind

CANARY = "hf_" + "Canary7Bird" * 3
HEADER = (
    "---\ntitle: Demo\nsdk: gradio\nsdk_version: 6.31.0\napp_file: app.py\npython_version: '{}.{}'\n---\n"
)


def failed(ran: Ran, code: int, *, hint: bool = True) -> str:
    """Check the shape that every failure has, and return its message for a snapshot."""
    assert ran.code == code, ran.err
    assert ran.err.count("error: ") == 1, ran.err
    assert not hint or "\n\nhint: " in ran.err
    assert CANARY not in ran.out + ran.err
    return ran.told


def app(folder: Path, code: str, **files: str) -> Path:
    """A Gradio Space with *code* in app.py."""
    folder.mkdir()
    (folder / "README.md").write_text(HEADER.format(*sys.version_info))
    (folder / "app.py").write_text(code)
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return folder


@pytest.fixture
def hub(local_hub: HubProcess) -> RemoteHub:
    return RemoteHub(local_hub.url, local_hub.token)


def _missing(folder: Path) -> list[str]:
    return ["publish", "model"]


def _empty(folder: Path) -> list[str]:
    (folder / "model").mkdir()
    return ["publish", "model"]


def _unreadable(folder: Path) -> list[str]:
    make.full(folder / "model")
    (folder / "model" / "model.safetensors").write_bytes(b"\xff" * 64)
    return ["publish", "model"]


def _no_app(folder: Path) -> list[str]:
    return ["deploy", "app"]


def _front_matter(folder: Path) -> list[str]:
    app(folder / "app", "")
    (folder / "app" / "README.md").write_text("---\ntitle: [Demo\nsdk: gradio\n---\n")
    return ["deploy", "app"]


def _leak(folder: Path) -> list[str]:
    make.full(folder / "model")
    (folder / "model" / "handler.py").write_text(f'import os\n\nTOKEN = "{CANARY}"\n')
    return ["publish", "model"]


def _leak_in_app(folder: Path) -> list[str]:
    app(folder / "app", f'TOKEN = "{CANARY}"\n')
    return ["deploy", "app"]


def _unknown_space(folder: Path) -> list[str]:
    return ["status", "nobody/nothing"]


def _unknown_log(folder: Path) -> list[str]:
    return ["logs", "nobody/nothing"]


def _no_id(folder: Path) -> list[str]:
    return ["status", "a/b/c"]


def _unknown_command(folder: Path) -> list[str]:
    return ["delpoy"]


def _unknown_option(folder: Path) -> list[str]:
    return ["deploy", "app", "--harware", "t4"]


def _no_hub_of_that_name(folder: Path) -> list[str]:
    return ["status", "ada/x", "--to", "loccal"]


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (_missing, 2),
        (_empty, 3),
        (_unreadable, 3),
        (_no_app, 2),
        (_front_matter, 3),
        (_leak, 3),
        (_leak_in_app, 3),
        (_unknown_space, 6),
        (_unknown_log, 6),
        (_no_id, 2),
        (_unknown_command, 2),
        (_unknown_option, 2),
        (_no_hub_of_that_name, 2),
    ],
)
def test_bad_input_ends_with_one_clear_message(
    spacehand: Spacehand,
    hub: RemoteHub,
    tmp_path: Path,
    snapshot: SnapshotAssertion,
    prepare: Callable[[Path], list[str]],
    code: int,
) -> None:
    """The message is in the snapshot; with --json the same is said on stdout, as one object."""
    ran = spacehand(*prepare(tmp_path), "--json")

    assert failed(ran, code) == snapshot
    error = ran.json["error"]
    assert ran.json["ok"] is False
    assert ran.json["schema"].startswith("spacehand.")
    assert error.keys() == {"code", "exit", "message", "where", "hint", "details", "docs"}
    assert error["exit"] == code
    assert f"error: {error['message']}" in ran.err
    for kind, name in ((RepoKind.MODEL, "model"), (RepoKind.SPACE, "app")):
        assert hub.head(kind, RepoId(OWNER, name)) is None


def test_a_wrong_token_is_told(spacehand: Spacehand, snapshot: SnapshotAssertion) -> None:
    """Exit code 4; the token itself is nowhere."""
    assert failed(spacehand("status", "ada/x", HF_TOKEN=CANARY), 4) == snapshot


def test_a_hub_that_does_not_answer_is_told(spacehand: Spacehand, snapshot: SnapshotAssertion) -> None:
    """Exit code 1, soon, and the first line names whom we asked."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    ran = spacehand("status", "ada/x", HF_ENDPOINT=f"http://127.0.0.1:{port}")

    assert ran.err.startswith("→ ")
    assert failed(ran, 1) == snapshot


@pytest.mark.parametrize("how", [(), ("--detach",)])
def test_a_port_in_use_is_told(
    spacehand: Spacehand, tmp_path: Path, snapshot: SnapshotAssertion, how: tuple[str, ...]
) -> None:
    """Exit code 1, and no data folder is left behind."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ran = spacehand("hub", "serve", "--port", port, "--data", tmp_path / "data", *how)

    assert failed(ran, 1) == snapshot
    assert not (tmp_path / "data").exists()


# Real builds


@pytest.mark.network
def test_requirements_that_cannot_resolve_are_told(
    spacehand: Spacehand, tmp_path: Path, name: str, snapshot: SnapshotAssertion
) -> None:
    """Exit code 7, with the resolver's own reason."""
    app(tmp_path / "app", "", requirements="gradio==3.50.2\n")

    ran = spacehand("deploy", "app", name)

    assert failed(ran, 7).replace(name, "NAME") == snapshot


@pytest.mark.network
def test_an_app_that_exits_is_told(
    spacehand: Spacehand, tmp_path: Path, name: str, snapshot: SnapshotAssertion
) -> None:
    """Exit code 8, with the exit code and the last word of the app; its secret is nowhere."""
    app(tmp_path / "app", "import sys\nprint('no model here')\nsys.exit(3)\n")
    (tmp_path / "app" / "spacehand.toml").write_text('[secrets]\nTOKEN = { env = "SOME_TOKEN" }\n')

    ran = spacehand("deploy", "app", name, "--json", SOME_TOKEN=CANARY)

    assert failed(ran, 8).replace(name, "NAME") == snapshot
    assert ran.json["error"]["exit"] == 8


@pytest.mark.network
@pytest.mark.parametrize("address", ["0.0.0.0:8501", "127.0.0.1:7860"])
def test_an_app_that_listens_where_nobody_looks_is_told_at_once(
    spacehand: Spacehand, tmp_path: Path, name: str, address: str, snapshot: SnapshotAssertion
) -> None:
    """Exit code 8, long before the time for starting is over."""
    host, _, port = address.partition(":")
    listen = f"ThreadingHTTPServer(({host!r}, {port}), SimpleHTTPRequestHandler).serve_forever()"
    app(tmp_path / "app", f"from http.server import *\n{listen}\n")
    began = time.monotonic()

    ran = spacehand("deploy", "app", name, "--timeout", "200")

    assert failed(ran, 8).replace(name, "NAME") == snapshot
    assert time.monotonic() - began < 100


# A full disk


@pytest.fixture
def small_hub(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A Hub whose data lies on a disk of 24 MB, which only it sees: its address and token."""
    data = tmp_path / "small"
    data.mkdir()
    mount = f"mount -t tmpfs -o size=24m tmpfs {data}"
    unshare = [shutil.which("unshare") or "", "--map-root-user", "--mount"]
    if not unshare[0] or subprocess.run([*unshare, "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    serve = f"{sys.executable} -m spacehand.localhub.server --data {data}/hub --port 0 --owner {OWNER}"
    process = subprocess.Popen(
        [*unshare, "sh", "-c", f"{mount} && exec {serve}"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    yield url, Path(f"/proc/{process.pid}/root{data}/hub/token").read_text().strip()
    process.terminate()
    process.communicate(timeout=60)


def test_a_full_disk_on_the_hub_is_told(
    spacehand: Spacehand, small_hub: tuple[str, str], tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    """Exit code 1, and neither a commit nor half a file; what was there before is still there."""
    url, token = small_hub
    chosen = {"HF_ENDPOINT": url, "HF_TOKEN": token, "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "1"}
    weights = make.full(tmp_path / "model") / "model.safetensors"
    before = spacehand("publish", "model", "--json", **chosen).json["revision"]
    make.safetensors(weights, {"noise": ("U8", (40_000_000,))})
    content = weights.read_bytes()
    weights.write_bytes(content[:-40_000_000] + os.urandom(40_000_000))

    ran = spacehand("publish", "model", **chosen)

    assert failed(ran, 1) == snapshot
    hub = RemoteHub(url, token)
    assert hub.head(RepoKind.MODEL, RepoId(OWNER, "model")) == before
    weights.write_bytes(content[:2000])
    make.full(tmp_path / "model")
    again = spacehand("publish", "model", "--json", **chosen).json
    assert (again["revision"], again["changed"]) == (before, False)
