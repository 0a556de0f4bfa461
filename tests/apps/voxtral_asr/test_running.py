"""The speech app as a process of its own: bad recordings, limits, live speech, phones and other programs."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import urllib.request
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from gradio_client.exceptions import AppError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import needs
from tests.apps.voxtral_asr.app_process import CLIP, AppProcess, refusal, repeated, speech_app, with_whisper
from tests.apps.voxtral_asr.test_deployed import transcribe

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("speech")]

HERE = Path(__file__).parent
SPOKEN = CLIP.with_suffix(".txt").read_text().strip()
MICROPHONE = [
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    f"--use-file-for-fake-audio-capture={CLIP}%noloop",
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    with speech_app(tmp_path_factory.mktemp("app") / "app.log") as running:
        yield running


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    subprocess.run([with_whisper(), HERE / "make_recordings.py", folder, CLIP], check=True)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("This is a letter, and no recording.\n" * 100)
    (folder / "playlist.wav").write_text("#EXTM3U\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n")
    with wave.open(str(folder / "three-hours.wav"), "wb") as sound:
        sound.setparams((1, 1, 8000, 0, "NONE", ""))
        for _ in range(3 * 60):
            sound.writeframes(bytes(range(60, 180)) * 4000)
    return folder


@pytest.mark.parametrize(
    ("recording", "says"),
    [
        ("silence.wav", "The recording is silent: is the microphone on?"),
        ("noise.wav", "No speech was found in the recording"),
        ("mute.mp4", "This file has no sound in it"),
        ("empty.wav", "This file cannot be read as audio: broken, or an unknown format"),
        ("text.wav", "This file cannot be read as audio: broken, or an unknown format"),
        ("playlist.wav", "This file cannot be read as audio: broken, or an unknown format"),
        ("three-hours.wav", "The recording is longer than the 300 s this Space allows"),
    ],
)
def test_what_cannot_be_heard_is_one_sentence(
    app: AppProcess, recordings: Path, recording: str, says: str
) -> None:
    """
    No traceback, no silence: a reason in one sentence, and nothing of it in the log.
    """
    assert refusal(app.url, recordings / recording) == says
    assert "Traceback" not in app.log


def test_the_sound_of_a_film_is_heard(app: AppProcess, recordings: Path) -> None:
    """
    A phone's video is a recording too.
    """
    from jiwer import wer

    assert wer(SPOKEN, transcribe(app.url, recordings / "speaks.mp4")["transcript"]) <= 0.10


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred recordings, each with some bytes of its head changed."""
    folder = tmp_path_factory.mktemp("damaged")
    whole = CLIP.read_bytes()[: 44 + 6400]  # a fifth of a second
    change = st.tuples(st.integers(0, 63), st.binary(min_size=1, max_size=4))

    @settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.lists(change, min_size=1, max_size=6))
    def damage(changes: list[tuple[int, bytes]]) -> None:
        recording = bytearray(whole)
        for at, value in changes:
            recording[at : at + len(value)] = value
        (folder / f"{len(list(folder.iterdir())):03}.wav").write_bytes(recording)

    damage()
    return folder


def test_a_damaged_head_is_heard_or_refused(damaged: Path) -> None:
    """
    Of 200 recordings with a damaged head each gives samples or a reason in one sentence; none ends the app.
    """
    read = [with_whisper(), HERE / "read_recordings.py", damaged]
    done = subprocess.run(read, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)

    refused = [text for text in said.values() if not text.endswith(" samples")]
    assert len(said) >= 200
    assert len(refused) > 50
    assert [text for text in refused if not re.fullmatch(r"[A-Z][^\n]{10,120}", text)] == []


def test_the_app_survives_damaged_recordings(app: AppProcess, damaged: Path) -> None:
    """
    Some of them, sent as a visitor does: the app refuses them and goes on with the next recording.
    """
    for file in sorted(damaged.iterdir())[::20]:
        with contextlib.suppress(AppError):
            transcribe(app.url, file)

    assert psutil.Process(app.pid).is_running()
    assert "prudently in his power" in transcribe(app.url, CLIP)["transcript"]
    assert "Traceback" not in app.log


@pytest.fixture(scope="module")
def minute(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip, eight times: a minute of speech."""
    return repeated(8, tmp_path_factory.mktemp("minute") / "minute.wav")


def test_a_long_recording_is_heard_whole(app: AppProcess, minute: Path) -> None:
    """
    Nothing is lost or said twice where the windows of half a minute meet, and the times go on.
    """
    from jiwer import wer

    answer = transcribe(app.url, minute)

    starts = [word["start"] for word in answer["words"]]
    assert wer(" ".join([SPOKEN] * 8), answer["transcript"]) <= 0.10
    assert starts == sorted(starts)
    assert starts[-1] > answer["audio_seconds"] - 3


def test_limits_are_told_and_kept(tmp_path: Path, minute: Path) -> None:
    """
    A minute of speech in too little time is stopped, really; who asks too often is told how long to wait.
    """
    with speech_app(tmp_path / "app.log", TIMEOUT="1", RATE_LIMIT="1/min") as app:
        assert (
            refusal(app.url, minute) == "This took longer than 1 s and was stopped; try a shorter recording"
        )
        app.came_to_rest()

        told = r"That was one too many: 1 in 60 s are allowed\. Try again in \d+ s"
        assert re.fullmatch(told, refusal(app.url, minute))


def test_other_programs_find_the_app_by_mcp(app: AppProcess) -> None:
    """
    The official MCP client is told of one tool, and gets a transcript from it.
    """
    done = subprocess.run(
        [with_whisper(), HERE / "mcp_call.py", app.url, CLIP], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)

    assert said["tools"] == ["transcribe"]
    assert not said["failed"], said["text"]
    assert "prudently in his power" in said["text"]


@pytest.fixture
def speaker() -> Iterator[Any]:
    """A visitor whose microphone plays a human voice; closing ends the talks, however the test went."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needs.chromium(), args=MICROPHONE)
        context = browser.new_context()
        context.set_default_timeout(120_000)  # a busy machine is far behind whoever speaks
        yield context
        browser.close()


@pytest.mark.browser
def test_text_grows_while_one_speaks(app: AppProcess, speaker: Any) -> None:
    """
    With a microphone that plays a human voice: words come before its end, and then the file's transcript.
    """
    from jiwer import wer

    page = begin_to_speak(speaker.new_page(), app)
    page.locator(".asr-growing", has_text="Dashwood").wait_for()
    assert page.locator(".asr-figures").count() == 0
    page.locator(".asr-growing", has_text=re.compile("for them")).wait_for()
    page.get_by_role("button", name="Stop").click()
    page.locator(".asr-figures").wait_for()
    spoken = page.locator(".asr-text").inner_text()
    page.get_by_role("button", name="Right").click()
    page.get_by_text("Thank you, counted.").wait_for()

    of_the_file = transcribe(app.url, CLIP)["transcript"]
    assert wer(of_the_file, spoken) <= 0.10
    assert metrics(app)["feedback"]["up"] == 1


@pytest.mark.browser
def test_a_closed_page_frees_its_talk(app: AppProcess, speaker: Any) -> None:
    """
    Two may speak at once, a third may not; once one of the two has closed the page, another may.
    """
    speaking = [begin_to_speak(speaker.new_page(), app) for _ in range(3)]
    assert [page.locator(".asr-growing").count() for page in speaking] == [1, 1, 0]
    assert "2 people speak now" in speaking[2].locator(".asr-failed").inner_text()

    speaking[0].close()

    speaking[2].get_by_role("button", name="Start speaking").click()
    speaking[2].locator(".asr-growing").wait_for()


def begin_to_speak(page: Any, app: AppProcess) -> Any:
    page.goto(app.url)
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Start speaking").click()
    page.locator(".asr-growing, .asr-failed").wait_for()
    return page


@pytest.mark.browser
def test_the_page_fits_a_phone_and_a_keyboard(app: AppProcess, speaker: Any) -> None:
    """
    At 390 px nothing is cut off; every control has a name, and the keyboard reaches what matters.
    """
    page = speaker.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(app.url)
    page.get_by_text("Jane Austen").first.click()
    page.get_by_role("button", name="Play").first.wait_for()
    button = page.get_by_role("button", name="Transcribe")
    button.focus()
    page.keyboard.press("Enter")
    page.locator(".asr-figures").wait_for()

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#transcript").get_attribute("aria-live") == "polite"
    assert button.bounding_box()["height"] >= 40
    assert nameless(page) == []


def nameless(page: Any) -> list[str]:
    """Return the controls that a screen reader has no name for."""
    controls = page.locator("button:visible, input:visible, select:visible, textarea:visible").all()
    named = "e => e.labels?.length || e.ariaLabel || e.title || e.innerText.trim() || e.closest('label')"
    return [
        control.evaluate("e => e.outerHTML.slice(0, 200)")
        for control in controls
        if not control.evaluate(f"e => Boolean(({named})(e))")
    ]


def metrics(app: AppProcess) -> dict[str, Any]:
    with urllib.request.urlopen(f"{app.url}/spacehand/metrics.json") as response:
        said: dict[str, Any] = json.load(response)
    return said
