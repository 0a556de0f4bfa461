"""What the speech app answers, and when it says no."""

import threading
from dataclasses import replace

import pytest
from asr.engines import Heard
from asr.errors import AudioError, LanguageError, TooManyError, TooSlowError, WeightsError
from asr.service import confidence
from tests.apps.voxtral_asr.conftest import HEARD, WEIGHTS, FakeEngine


def test_the_answer_has_the_promised_shape(service):
    """
    Programs read these keys; the words come with times and confidence.
    """
    answer = service().transcribe("a.wav", "en", "ann")

    assert list(answer) == [
        "transcript", "language", "confidence", "words", "word_times", "seconds", "audio_seconds",
        "model_id", "revision", "engine", "weights_sha256",
    ]  # fmt: skip
    assert answer["transcript"] == "Open the door."
    assert answer["words"][2] == {"text": "door.", "start": 0.5, "end": 1, "confidence": 0.4}
    assert answer["weights_sha256"] == WEIGHTS.sha256
    assert (answer["revision"], answer["audio_seconds"]) == ("c" * 40, 2.0)
    assert answer["confidence"] == pytest.approx((0.9 * 1.0 * 0.4) ** (1 / 3), abs=1e-4)


def test_an_adapter_is_answered_for_with_its_base(service):
    """
    The adapter's hash is the model's; the base it ran with is named beside it, by its own.
    """
    adapter = replace(WEIGHTS, base=replace(WEIGHTS, model_id="ada/base", sha256="b" * 64))

    answer = service(fetch=lambda settings: adapter).transcribe("a.wav", "en", "ann")

    assert answer["weights_sha256"] == "d" * 64
    assert (answer["base_model_id"], answer["base_weights_sha256"]) == ("ada/base", "b" * 64)


def test_confidence_is_drawn_down_by_a_doubtful_word():
    """
    The geometric mean: one wrong word among sure ones is felt, and nothing heard is no confidence.
    """
    assert confidence(HEARD.words) < sum(word.confidence for word in HEARD.words) / 3
    assert confidence(()) == 0.0


@pytest.mark.parametrize(
    ("asked", "known", "used"),
    [
        ("en", ("en", "de"), "en"),
        ("de-AT", ("en", "de"), "de"),
        ("German", ("en", "de"), "de"),
        ("auto", ("en", "de"), None),
        (None, ("en", "de"), None),
        ("auto", ("en",), "en"),
        ("sw", (), "sw"),
        ("auto", (), None),
    ],
)
def test_the_language_is_understood(service, asked, known, used):
    """
    Codes, regions and names work; a model of one language needs no detection.
    """
    engine = FakeEngine(languages=known)

    service(engine).transcribe("a.wav", asked, "ann")

    assert engine.asked == [used]


def test_a_language_the_model_does_not_know_is_refused(service):
    """
    An English-only model says so instead of writing English nonsense.
    """
    with pytest.raises(LanguageError, match="understands English only, not French"):
        service(FakeEngine(languages=("en",))).transcribe("a.wav", "fr", "ann")
    with pytest.raises(LanguageError, match="does not know the language xx"):
        service().transcribe("a.wav", "xx", "ann")


@pytest.mark.parametrize(
    ("path", "heard", "says"),
    [(None, HEARD, "no recording yet"), ("a.wav", Heard("", "en", ()), "No speech")],
)
def test_nothing_to_hear_is_said_in_words(service, path, heard, says):
    """
    No recording, or no speech in it, is not an empty success.
    """
    with pytest.raises(AudioError, match=says):
        service(FakeEngine(heard)).transcribe(path, "en", "ann")


def test_a_request_waits_for_the_model(service):
    """
    The page is up at once: a request that comes before the model is loaded is answered when it is.
    """
    arrived, loaded = threading.Event(), threading.Event()
    answers: list[dict] = []

    def load(weights, settings):
        loaded.wait()
        return FakeEngine()

    early = service(load=load)

    def ask() -> None:
        arrived.set()
        answers.append(early.transcribe("a.wav", "en", "ann"))

    thread = threading.Thread(target=ask)
    thread.start()
    arrived.wait()
    assert not early.is_settled
    loaded.set()
    thread.join()

    assert answers[0]["transcript"] == "Open the door."


@pytest.mark.parametrize("error", [WeightsError("there is no such model"), MemoryError("no room")])
def test_when_the_model_cannot_be_loaded_every_request_says_why(service, capsys, error):
    """
    The reason is in the answer and in the log; nothing else is served in the model's place.
    """

    def load(weights, settings):
        raise error

    broken = service(load=load)

    with pytest.raises(WeightsError, match=str(error)):
        broken.transcribe("a.wav", "en", "ann")

    assert broken.model is None
    assert str(error) in capsys.readouterr().err
    assert broken.metrics.snapshot()["requests"]["errors"] == 1


def test_work_that_takes_too_long_is_stopped(service):
    """
    The visitor hears so at the deadline, and the worker is told to stop, so that the next one is served.
    """
    stopped = threading.Event()

    def work_until_told(stop):
        while not stop():
            stopped.wait(0.001)
        stopped.set()

    engine = FakeEngine(during=work_until_told)
    slow = service(engine, timeout=0.05)

    with pytest.raises(TooSlowError, match=r"longer than 0\.05 s"):
        slow.transcribe("a.wav", "en", "ann")

    assert stopped.wait(5)
    engine.during = None
    assert slow.transcribe("a.wav", "en", "ann")["transcript"] == "Open the door."


def test_each_client_has_its_own_rate(service):
    """
    Who asks too often is told how long to wait; others are not held up.
    """
    busy = service(rate_limit="1/min", now=lambda: 0.0)
    busy.transcribe("a.wav", "en", "ann")

    with pytest.raises(TooManyError, match=r"1 in 60 s are allowed\. Try again in 60 s") as refused:
        busy.transcribe("a.wav", "en", "ann")

    assert refused.value.wait == 60
    busy.transcribe("a.wav", "en", "bob")


def test_wrong_settings_are_told_to_everybody(service):
    """
    A Space with a wrong variable stays up and says what is wrong.
    """
    refused = service(started=False)
    refused.refuse("`MAX_SECONDS` must be a number of seconds")
    refused.start()

    with pytest.raises(WeightsError, match="MAX_SECONDS"):
        refused.transcribe("a.wav", "en", "ann")
