"""
Spoken words made by espeak-ng, a speech synthesizer: nobody's voice, and nothing is downloaded.

Voices are variants of the synthesizer's own English ones. Those in UNSEEN are kept for the test, with all
their relatives, and so are speeds slower and faster than any in the training.
"""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import wave
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

Samples = npt.NDArray[np.float32]

RATE = 16_000  # samples a second
_WORDS = "zero one two three four five six seven eight nine yes no up down left right stop go on off"
_SEEN = (
    "m1 m2 m3 m5 m6 f1 f2 f3 Alex Alicia Andrea Andy Annie Diogo Gene Henrique Hugo Jacky Lee Marco Mario "
    "Michael Mike Nguyen adam anika antonio belinda benjamin boris caleb david grandpa john kaukovalta linda "
    "max michel miguel norbert pablo paul quincy rob robert sandro shelby steph travis victor zac"
)
_UNSEEN = "m4 m7 m8 f4 f5 Denis aunty ed edward edward2 grandma gustave iven iven2 marcelo pedro"
WORDS, SEEN, UNSEEN = tuple(_WORDS.split()), tuple(_SEEN.split()), tuple(_UNSEEN.split())
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-us-nyc")
SPEEDS = range(110, 196)  # words a minute
UNSEEN_SPEEDS = (90, 95, 100, 205, 215, 225)
_EDGE = RATE // 10  # of silence that stays before and after the words
_QUIET = 0.01  # of full scale


@dataclass(frozen=True, slots=True)
class Utterance:
    """A few words, and how they are to be spoken."""

    text: str
    voice: str
    speed: int  # words a minute
    pitch: int  # 0 to 99
    gap: int  # between the words, in units of 10 ms


def utterances(
    count: int, *, seed: int, variants: Sequence[str] = SEEN, speeds: Sequence[int] = SPEEDS
) -> list[Utterance]:
    """Return *count* utterances of one to five words, the same for the same *seed*."""
    chance = random.Random(seed)  # noqa: S311
    return [
        Utterance(
            text=" ".join(chance.choices(WORDS, k=chance.choice((1, 1, 2, 3, 4, 5)))),
            voice=f"{chance.choice(ACCENTS)}+{chance.choice(variants)}",
            speed=chance.choice(speeds),
            pitch=chance.randint(20, 80),
            gap=chance.choice((0, 0, 1, 3)),
        )
        for _ in range(count)
    ]


def spoken(wanted: Sequence[Utterance]) -> list[Samples]:
    """
    Return the sound of each utterance at RATE, between -1 and 1.

    Raises:
        RuntimeError: espeak-ng is not installed, or lacks a voice.
    """
    if shutil.which("espeak-ng") is None:
        raise RuntimeError("espeak-ng is not installed: `apt-get install espeak-ng`")
    _check_voices({utterance.voice.partition("+")[2] for utterance in wanted})
    with ThreadPoolExecutor(4) as pool:  # each waits for a process
        return list(pool.map(_speak, wanted))


def version() -> str:
    """Return what the synthesizer calls itself, such as ``1.51``."""
    said = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True).stdout
    return said.partition(":")[2].split()[0]


def write(file: Path, samples: Samples) -> None:
    """Write *samples* as a WAV file of 16 bits."""
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def _check_voices(names: set[str]) -> None:
    # An unknown variant is no error to espeak-ng: it takes the plain voice in its place.
    listed = subprocess.run(
        ["espeak-ng", "--voices=variant"], capture_output=True, text=True, check=True
    ).stdout
    there = {line.split("!v/", 1)[1].strip() for line in listed.splitlines() if "!v/" in line}
    if missing := sorted(names - there):
        raise RuntimeError(f"This espeak-ng has no voice {', '.join(missing)}; version 1.51 has them all")


def _speak(utterance: Utterance) -> Samples:
    words = ["-v", utterance.voice, "-s", str(utterance.speed), "-p", str(utterance.pitch)]
    said = subprocess.run(
        ["espeak-ng", *words, "-g", str(utterance.gap), "--stdout", utterance.text],
        capture_output=True,
        check=True,
    ).stdout
    with wave.open(io.BytesIO(said)) as sound:
        rate = sound.getframerate()
        # The header of a stream cannot know its length; what is there is what counts.
        heard = np.frombuffer(sound.readframes(len(said)), "<i2").astype(np.float32) / 32768
    samples = resample_poly(heard, RATE, rate).astype(np.float32)
    loud = np.flatnonzero(np.abs(samples) > _QUIET)
    return samples[max(0, loud[0] - _EDGE) : loud[-1] + _EDGE]
