"""A long recording in pieces that a model can hear at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from asr.engines import SAMPLE_RATE

LONGEST = 30.0  # seconds; what Whisper and Voxtral hear in one go
SILENCE = 0.003  # of full scale; room noise of a working microphone is above it
_SEARCH = 6.0  # seconds at a piece's end in which a pause is looked for
_FRAME = SAMPLE_RATE // 50


def pieces(audio: Any, longest: float = LONGEST) -> Iterator[tuple[float, Any]]:
    """
    Yield start (seconds) and samples of each piece of *audio*, cut where it is quietest.

    Silent pieces are left out: models make words up there.
    """
    for start, end in _cuts(audio, int(longest * SAMPLE_RATE)):
        piece = audio[start:end]
        if is_audible(piece):
            yield start / SAMPLE_RATE, piece


def is_audible(audio: Any) -> bool:
    """Whether anything sounds in *audio*."""
    return len(audio) > 0 and float(np.abs(audio).max()) >= SILENCE


def _cuts(audio: Any, size: int) -> Iterator[tuple[int, int]]:
    start = 0
    while len(audio) - start > size:
        end = _pause(audio, start + size - int(_SEARCH * SAMPLE_RATE), start + size)
        yield start, end
        start = end
    yield start, len(audio)


def _pause(audio: Any, first: int, last: int) -> int:
    """Return the middle of the quietest fifth of a second between *first* and *last*."""
    frames = (last - first) // _FRAME
    power = (
        np.square(audio[first : first + frames * _FRAME], dtype=np.float64).reshape(frames, _FRAME).mean(1)
    )
    quiet = np.convolve(power, np.ones(10), mode="valid")
    return int(first + (int(quiet.argmin()) + 5) * _FRAME)
