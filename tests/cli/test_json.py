"""`--json`: one object on stdout, with the keys that others rely on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.conftest import Ran, Spacehand
from tests.conftest import OWNER, HubProcess
from tests.model import make


def succeeded(ran: Ran, command: str, *keys: str) -> dict[str, object]:
    """Check the shape that every success has, and return the object."""
    assert ran.code == 0, ran.err
    assert ran.json["schema"] == f"spacehand.{command}/1"
    assert ran.json["ok"] is True
    assert not set(keys) - ran.json.keys()
    return ran.json


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make.full(tmp_path / "model")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "README.md").write_text("---\ntitle: Page\nsdk: static\n---\n")
    (folder / "index.html").write_text("<h1>one")
    return folder


def test_a_model_s_way_to_the_hub(spacehand: Spacehand, model: Path, name: str) -> None:
    """`card` asks no Hub; `publish` says what it did, and the second time that it did nothing."""
    card = succeeded(spacehand("card", model, "--json"), "card", "card")
    assert "# model" in str(card["card"])

    keys = ("model_url", "revision", "weights_sha256", "changed", "uploaded_bytes", "skipped", "notes")
    first = succeeded(spacehand("publish", model, name, "--json"), "publish", *keys)
    again = succeeded(spacehand("publish", model, name, "--json"), "publish", *keys)

    assert re.fullmatch("[0-9a-f]{64}", str(first["weights_sha256"]))
    assert (first["changed"], again["changed"]) == (True, False)
    assert again["revision"] == first["revision"]
    assert again["uploaded_bytes"] == 0


def test_an_app_s_way_to_the_hub(spacehand: Spacehand, site: Path, name: str, local_hub: HubProcess) -> None:
    """`build`, `plan`, `deploy`, `status`, `logs`, `open`: each tells what INTERFACES promise."""
    built = succeeded(spacehand("build", site, "-o", "out", "--json"), "build", "files", "bytes", "digest")
    assert built["files"] == ["README.md", "index.html"]

    planned = spacehand("plan", site, name, "--json", "--detailed-exitcode")
    assert planned.code == 10
    assert {"changes", "bytes", "usd_per_hour", "drift"} <= planned.json.keys()
    assert planned.json["changes"]

    keys = ("space_url", "app_url", "stage", "revision", "served_weights_sha256", "changed", "seconds")
    deployed = succeeded(spacehand("deploy", site, name, "--json"), "deploy", *keys)
    assert (deployed["stage"], deployed["changed"]) == ("RUNNING", True)

    after = spacehand("plan", site, name, "--json", "--detailed-exitcode")
    assert (after.code, after.json["changes"], after.json["drift"]) == (0, [], [])

    status = succeeded(spacehand("status", name, "--json"), "status", "stage", "head", "hardware", "app_url")
    assert (status["space"], status["head"]) == (f"{OWNER}/{name}", deployed["revision"])
    succeeded(spacehand("logs", name, "--json"), "logs", "lines")
    opened = succeeded(spacehand("open", name, "--json"), "open", "url", "page")
    assert opened["page"] == deployed["space_url"]


def test_stdout_is_the_result_alone(spacehand: Spacehand, site: Path, model: Path, name: str) -> None:
    """Without --json a URL, and the first line on stderr names the Hub and the account."""
    published = spacehand("publish", model, name)
    deployed = spacehand("deploy", site, name)

    for ran in (published, deployed):
        assert ran.out.startswith("http://127.0.0.1:")
        assert ran.out.count("\n") == 1
        assert re.match(rf"→ .*Hub http://127\.0\.0\.1:[0-9]+ as {OWNER}\n", ran.err)
        assert "\x1b" not in ran.out + ran.err


def test_the_hub_of_this_machine(spacehand: Spacehand, tmp_path: Path) -> None:
    """Started in the background, shown, asked for its token, stopped; then there is none."""
    data = ("--data", str(tmp_path / "data"), "--json")
    try:
        started = succeeded(
            spacehand("hub", "serve", "--detach", "--port", "0", *data), "hub-serve", "url", "pid"
        )
        shown = succeeded(spacehand("hub", "status", *data), "hub-status", "url", "pid", "data")
        assert shown["url"] == started["url"]
        assert succeeded(spacehand("hub", "token", *data), "hub-token")["token"]
    finally:
        stopped = spacehand("hub", "stop", *data)
    succeeded(stopped, "hub-stop", "url", "stopped")
    assert spacehand("hub", "status", *data).code == 6
