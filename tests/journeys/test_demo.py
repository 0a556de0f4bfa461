"""The main job as a newcomer runs it: ``spacehand demo``, and the page it leads to in a real browser."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import needs

CLIP = Path("apps/voxtral-asr/examples/sense-and-sensibility.wav")
WEIGHTS = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
OWNER = "ada"  # the login name, which the local Hub takes as its owner
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
# `make pictures` sets it: the README's screenshot comes from this test.
PICTURES = os.environ.get("SPACEHAND_PICTURES")

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Demo:
    """A machine on which ``spacehand demo --once`` has run."""

    home: Path
    result: dict[str, Any]
    stderr: str

    def spacehand(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command on this machine."""
        return _spacehand(self.home, *words)


def _spacehand(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spacehand", *words],
        env=os.environ | {"SPACEHAND_HOME": str(home), "LOGNAME": OWNER},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    home = tmp_path_factory.mktemp("demo") / "home"
    run = _spacehand(home, "demo", "--once", "--json")
    assert run.returncode == 0, run.stderr + run.stdout
    yield Demo(home, json.loads(run.stdout), run.stderr)
    _spacehand(home, "hub", "stop")


def test_the_demo_proves_itself(demo: Demo):
    """
    A human voice is understood, by the very weights that were published.
    """
    assert demo.result["ok"] is True
    assert demo.result["stage"] == "RUNNING"
    assert demo.result["word_error_rate"] <= 0.10
    assert demo.result["weights_sha256"] == demo.result["served_weights_sha256"] == WEIGHTS
    assert demo.result["space"] == f"{OWNER}/whisper-tiny-en-demo"
    assert 0.5 < demo.result["confidence"] <= 1
    assert demo.stderr.startswith("→ local Hub http://127.0.0.1:")


def test_what_was_published_is_what_the_package_holds(demo: Demo):
    """
    The official client downloads the very bytes, and a card that says what they are.
    """
    from huggingface_hub import HfApi, hf_hub_download

    endpoint, repo = (
        demo.result["model_url"].rsplit("/", 2)[0],
        "/".join(demo.result["model_url"].split("/")[-2:]),
    )
    weights = hf_hub_download(
        repo, "model.bin", endpoint=endpoint, cache_dir=demo.home / "cache", token=False
    )
    card = Path(
        hf_hub_download(repo, "README.md", endpoint=endpoint, cache_dir=demo.home / "cache", token=False)
    )

    assert hashlib.file_digest(Path(weights).open("rb"), "sha256").hexdigest() == WEIGHTS  # noqa: SIM115
    assert "This model is **Whisper**" in card.read_text()
    assert WEIGHTS in card.read_text()
    assert "{{" not in card.read_text()
    info = HfApi(endpoint=endpoint, token=False).model_info(repo)
    assert info.sha == demo.result["model_revision"]
    assert info.pipeline_tag == "automatic-speech-recognition"


def test_a_model_trained_from_scratch_is_published_beside_it(demo: Demo):
    """
    Its card has the figures of the training's own files, and the loss curve that it shows is there.
    """
    from huggingface_hub import HfApi, hf_hub_download

    endpoint, _, repo = demo.result["trained_model_url"].partition(f"/{OWNER}/")
    hub = {"endpoint": endpoint, "token": False}
    card = hf_hub_download(f"{OWNER}/{repo}", "README.md", cache_dir=demo.home / "cache", **hub)
    measured = json.loads(Path("examples/spoken-words/test_results.json").read_text())

    text = Path(card).read_text()
    for name, value in measured.items():
        assert f"| `{name}` | {value:.6g} |" in text
    assert "Synthetic voices only" in text
    curve = re.search(r"!\[Training loss from [^]]*\]\((training_results/loss-[0-9a-f]{12}\.png)\)", text)
    assert curve is not None
    assert HfApi(**hub).file_exists(f"{OWNER}/{repo}", curve[1])
    assert demo.result["trained_weights_sha256"] in text


def test_a_second_run_changes_nothing(demo: Demo):
    """
    Shipping the same again moves 0 bytes, makes no commit, builds nothing, and still proves the app.
    """
    again = json.loads(demo.spacehand("demo", "--once", "--json").stdout)

    assert again["changed"] is False
    assert again["uploaded_bytes"] == 0
    assert again["revision"] == demo.result["revision"]
    assert again["model_revision"] == demo.result["model_revision"]
    assert again["word_error_rate"] <= 0.10


@pytest.mark.browser
def test_a_person_uploads_the_clip_and_reads_the_transcript(demo: Demo):
    """
    In Chromium, on the Space's page on the Hub, the uploaded recording becomes text.
    """
    chromium = needs.chromium()
    from playwright.sync_api import expect, sync_playwright

    link = demo.spacehand("open", "--print", "--json", demo.result["space_url"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1080})
        page.goto(json.loads(link.stdout)["url"])
        app = page.frame_locator("iframe")
        app.locator("input[type=file]").first.set_input_files(CLIP)
        expect(app.locator("#recording").get_by_role("button", name="Download")).to_be_visible(timeout=30_000)
        app.get_by_role("button", name="Transcribe").click()
        transcript = app.locator("#transcript")
        expect(transcript).to_contain_text("prudently in his power", timeout=60_000)
        expect(page.get_by_text("Running").first).to_be_visible()
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / "space.png")
        browser.close()
