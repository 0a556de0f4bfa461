"""The three scripts of the older tools, run as people run them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import OWNER, HubProcess
from tests.model import make

from spacehand.hub.remote import RemoteHub
from spacehand.ids import RepoId, RepoKind

SCRIPTS = Path(__file__).parents[2] / "scripts"
CANARY = "hf_" + "Canary7Bird" * 3


def script(name: str, *arguments: str, endpoint: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("HF_TOKEN", "HF_ENDPOINT")}
    if endpoint:
        environment["HF_ENDPOINT"] = endpoint
    return subprocess.run(
        [sys.executable, str(SCRIPTS / name), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return make.lora(tmp_path / "trained")


@pytest.mark.parametrize("name", ["push_to_huggingface.py", "generate_model_card.py", "deploy_demo_space.py"])
def test_each_script_says_what_it_takes(name: str) -> None:
    """`--help` answers without a Hub."""
    done = script(name, "--help")

    assert done.returncode == 0
    assert "usage:" in done.stdout


def test_a_model_is_pushed(local_hub: HubProcess, trained: Path, name: str) -> None:
    """The older flags go into the card; the token is warned of and used, and never said."""
    done = script(
        *("push_to_huggingface.py", "model", str(trained), name, "--token", local_hub.token),
        *("--batch-size", "2", "--learning-rate", "5e-5", "--author-name", "Ann", "--trackio-url", "x"),
        endpoint=local_hub.url,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: `--token` on a command line was visible") == 1
    assert "ignores `trackio_url`" in done.stderr
    assert local_hub.token not in done.stdout + done.stderr
    hub = RemoteHub(local_hub.url, local_hub.token)
    card = (hub.read(RepoKind.MODEL, RepoId(OWNER, name), "README.md") or b"").decode()
    assert "| batch size | `2` |" in card
    assert "| learning rate | `5e-05` |" in card


def test_a_push_that_fails_ends_with_1(local_hub: HubProcess, tmp_path: Path) -> None:
    """One message, and the exit code that the older script had."""
    done = script(
        *("push_to_huggingface.py", "model", str(tmp_path / "nowhere"), "x"), endpoint=local_hub.url
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_data_set_is_not_pushed_here() -> None:
    """Exit code 2, and the command that does it."""
    done = script("push_to_huggingface.py", "dataset", "data.jsonl", "ada/voices", "--test")

    assert done.returncode == 2
    assert "hf upload" in done.stderr


def test_a_card_is_written(tmp_path: Path) -> None:
    """Only what was said is in it."""
    output = tmp_path / "README.md"
    done = script(
        *("generate_model_card.py", "--repo-name", "ada/voxtral", "--output", str(output)),
        *("--author-name", 'Ann: "the" #1', "--batch-size", "2"),
    )

    assert done.returncode == 0, done.stderr
    card = output.read_text(encoding="utf-8")
    assert "| batch size | `2` |" in card
    assert "learning rate" not in card


def test_a_card_template_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Not another card, silently, but exit code 6 and no file."""
    output = tmp_path / "README.md"
    done = script(
        *("generate_model_card.py", "--repo-name", "ada/x", "--output", str(output), "--template", "none.md")
    )

    assert done.returncode == 6
    assert "none.md" in done.stderr
    assert not output.exists()


def test_a_demo_of_a_missing_model_ends_with_1(local_hub: HubProcess, name: str) -> None:
    """The reason is on stderr, the token is not."""
    done = script(
        *("deploy_demo_space.py", f"--hf-token={local_hub.token}", "--hf-username", OWNER),
        *("--model-id", f"{OWNER}/{name}", "--demo-type", "voxtral"),
        endpoint=local_hub.url,
    )

    assert done.returncode == 1
    assert f"There is no model `{OWNER}/{name}`" in done.stderr
    assert local_hub.token not in done.stdout + done.stderr


@pytest.fixture
def waiting_hub() -> Iterator[tuple[str, threading.Event, threading.Event]]:
    """An address that accepts a request and answers nothing until it is told to let go."""
    asked, let_go = threading.Event(), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        connection, _ = listener.accept()
        asked.set()
        let_go.wait(60)
        connection.close()

    thread = threading.Thread(target=accept)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked, let_go
    let_go.set()
    thread.join()
    listener.close()


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc on this system")
@pytest.mark.parametrize("spelled", [("--token", CANARY), (f"--token={CANARY}",)])
def test_a_token_leaves_the_command_line(
    waiting_hub: tuple[str, threading.Event, threading.Event], trained: Path, spelled: tuple[str, ...]
) -> None:
    """While the script works, neither its own arguments nor those of what it started hold the token."""
    url, asked, let_go = waiting_hub
    process = subprocess.Popen(
        [
            *(sys.executable, str(SCRIPTS / "push_to_huggingface.py"), "model", str(trained), "ada/x"),
            *spelled,
        ],
        env=os.environ | {"HF_ENDPOINT": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert asked.wait(60)
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        let_go.set()
    finally:
        process.kill()
        out, err = process.communicate()
    assert b"push_to_huggingface.py" in arguments
    assert b"ada/x" in arguments
    assert CANARY.encode() not in arguments
    assert b"--token" not in arguments
    assert CANARY not in out + err
