"""
People who speak into the speech app at once: ``speakers.py MODEL RECORDING NUMBER short|whole``, as JSON.

Runs with the app's own Python. Each speaker says the recording twice with a second's pause, in real time, and
reads the text. A word's lag is from its end to the first hearing that shows as many words. `whole` hears the
whole 30 s window each time, as the engine does by itself.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(_ROOT / "apps" / "voxtral-asr"), str(_ROOT / "runtime" / "src")]

import numpy as np  # noqa: E402
from asr import audio  # noqa: E402
from asr.engines import SAMPLE_RATE, ctranslate2  # noqa: E402
from asr.live import EVERY, Live  # noqa: E402
from asr.settings import Settings  # noqa: E402
from asr.weights import fetch  # noqa: E402

TIMES, PIECE = 2, 0.25  # how often it is said; seconds of sound that come at once


def main(model: str, recording: str, number: int, hears: str) -> list[dict[str, Any]]:
    """Return for each speaker when the first text came, and the lag of each word, in seconds."""
    settings = Settings(model_id=model)
    engine = ctranslate2.load(fetch(settings), settings)
    once = audio.read(recording, 60)
    sound = np.tile(np.concatenate([once, np.zeros(SAMPLE_RATE, np.float32)]), TIMES)
    ends = [word.end for word in engine.transcribe(sound, "en", lambda: False).words]
    if hears == "whole":
        engine._whisper.hearing = lambda _seconds: nullcontext()  # noqa: SLF001
    live = Live(number, 300, lambda _rate: lambda piece: np.frombuffer(piece, "<i2"))
    said: list[dict[str, Any]] = []
    speakers = [threading.Thread(target=speak, args=(live, engine, sound, ends, said)) for _ in range(number)]
    for speaker in speakers:
        speaker.start()
    for speaker in speakers:
        speaker.join()
    for ear in threading.enumerate():
        if ear.name == "live":
            ear.join()  # it may not be in the middle of a hearing when Python ends
    return said


def speak(live: Live, engine: Any, sound: Any, ends: list[float], said: list[dict[str, Any]]) -> None:
    """Say *sound* in real time while a second thread reads; add what was seen to *said*."""
    name = live.begin("en", SAMPLE_RATE, engine)
    began = time.monotonic()
    seen: list[tuple[float, int]] = []  # when, and how many words were there

    def read() -> None:
        while not live.talk(name).is_over:
            kept, still_open = live.talk(name).text(0.5)
            seen.append((time.monotonic() - began, len(f"{kept} {still_open}".split())))

    reader = threading.Thread(target=read)
    reader.start()
    samples, size = (sound * 32767).astype(np.int16), int(PIECE * SAMPLE_RATE)
    for start in range(0, len(samples), size):
        time.sleep(max(0.0, began + (start + size) / SAMPLE_RATE - time.monotonic()))
        live.add(name, samples[start : start + size].tobytes())
    talk = live.talk(name)
    while talk.unheard >= EVERY and not talk.is_over:
        talk.text(0.5)  # on a slow machine the last words are shown late, and count all the same
    talk.end()
    reader.join()
    live.forget(name)
    firsts = [next((at for at, count in seen if count > number), None) for number in range(len(ends))]
    lags = [at - end for at, end in zip(firsts, ends, strict=True) if at is not None]
    said.append(
        {"first": next(at for at, count in seen if count), "lags": lags, "missed": firsts.count(None)}
    )


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])))
