"""Who speaks, how much of it is held, and for how long."""

import numpy as np
import pytest
from asr.engines import SAMPLE_RATE, Word
from asr.errors import AudioError, TooManyError
from asr.live import IDLE, WINDOW, Live, Talk
from asr.settings import Settings
from tests.apps.voxtral_asr.conftest import FakeEngine

SECOND = np.ones(SAMPLE_RATE, np.int16).tobytes()


class Counter(FakeEngine):
    """Hears a number in every second of sound; remembers how long each window was."""

    def __init__(self, *, speaks=True, **options):
        super().__init__(**options)
        self.speaks = speaks
        self.windows: list[float] = []

    def glimpse(self, audio, language, start):
        self.windows.append(len(audio) / SAMPLE_RATE)
        last = start + self.windows[-1]
        numbers = [number for number in range(400) if start <= number + 0.1 and number + 1 <= last]
        return [Word(str(number), number + 0.1, number + 0.9, 0.9) for number in numbers if self.speaks]


class Time:
    """A clock that is set."""

    now = 0.0

    def __call__(self):
        return self.now


def read(sound):
    return np.frombuffer(sound, "<i2")


def live(most=2, longest=60.0, now=lambda: 0.0):
    return Live(most, longest, lambda rate: read, now=now)


def test_words_come_while_one_speaks():
    """
    All seconds are heard, in windows that do not grow with the talk, and what is kept is in order.
    """
    talk, engine = Talk("en", 60.0, read), Counter()
    for _ in range(40):
        talk.add(SECOND)
        talk.hear(engine)

    kept, still_open = talk.text()

    assert f"{kept} {still_open}".split() == [str(number) for number in range(40)]
    assert max(engine.windows) <= WINDOW


def test_silence_is_not_heard_again():
    """
    Who says nothing for long costs no more than a second's hearing.
    """
    talk, engine = Talk("en", 60.0, read), Counter(speaks=False)
    for _ in range(10):
        talk.add(SECOND)
        talk.hear(engine)

    assert max(engine.windows[1:]) <= 2.0


def test_a_talk_ends_when_it_is_as_long_as_allowed():
    """
    Memory stays bounded: what comes after is dropped, and the page is told.
    """
    talk = Talk("en", 2.5, read)
    for _ in range(4):
        talk.add(SECOND)

    assert talk.is_over
    assert talk.seconds == 2.5
    assert len(talk.sound()) == 2.5 * SAMPLE_RATE


def test_the_page_reads_what_the_ear_heard():
    """
    A thread of its own hears whoever speaks, and ends when nobody does.
    """
    room, engine = live(), Counter()
    name = room.begin("en", SAMPLE_RATE, engine)

    talk = room.add(name, SECOND)
    while talk.text() == ("", ""):
        talk.text(patience=0.1)
    room.forget(name)

    assert talk.text() == ("", "0")
    assert talk.is_over
    assert room.speaking == 0


def test_no_more_may_speak_than_the_machine_can_follow():
    """
    One too many is told so; whoever leaves makes room, and so does whoever falls silent for good.
    """
    clock = Time()
    room, engine = live(most=1, now=clock), Counter()
    first = room.begin("en", SAMPLE_RATE, engine)
    with pytest.raises(TooManyError, match="Somebody else speaks now"):
        room.begin("en", SAMPLE_RATE, engine)

    room.forget(first)
    second = room.begin("en", SAMPLE_RATE, engine)
    clock.now += IDLE + 1
    third = room.begin("en", SAMPLE_RATE, engine)

    assert room.speaking == 1
    with pytest.raises(AudioError, match="This talk is over"):
        room.add(second, SECOND)
    room.forget(third)


def test_a_talk_is_answered_like_a_file(service):
    """
    The same keys, by the engine that weighs alternatives; and then all that was said is forgotten.
    """
    ready = service(Counter())
    ready.transcribe("a.wav", "en", "ann")
    name = ready.listen("en", SAMPLE_RATE, "ann")
    ready.live.add(name, SECOND)

    answer = ready.conclude(name)

    assert (answer["transcript"], answer["audio_seconds"]) == ("Open the door.", 1.0)
    assert ready.live.speaking == 0
    with pytest.raises(AudioError, match="This talk is over"):
        ready.conclude(name)


def test_live_mode_is_for_engines_that_are_fast_enough(service):
    """
    Any other says so, and the page offers no tab for it; nor where the owner wants none.
    """
    for ready in (service(), service(Counter(), live_speakers=0)):
        ready.transcribe("a.wav", "en", "ann")

        assert not ready.is_live
        with pytest.raises(AudioError, match="does not write along"):
            ready.listen("en", SAMPLE_RATE, "ann")


def test_live_mode_counts_for_the_rate_limit(service):
    """
    Each beginning counts like a request.
    """
    ready = service(Counter(), rate_limit="2/min", now=lambda: 0.0)
    ready.transcribe("a.wav", "en", "ann")
    ready.live.forget(ready.listen("en", SAMPLE_RATE, "ann"))

    with pytest.raises(TooManyError, match="2 in 60 s are allowed"):
        ready.listen("en", SAMPLE_RATE, "ann")


def test_who_speaks_at_once_is_the_owners_choice():
    """
    Two, unless the variable says otherwise.
    """
    assert Settings.read({"HF_MODEL_ID": "a/b"}).live_speakers == 2
    assert Settings.read({"HF_MODEL_ID": "a/b", "LIVE_SPEAKERS": "0"}).live_speakers == 0
