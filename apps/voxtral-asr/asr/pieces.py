"""A long recording in pieces that a model can hear at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from asr.engines import SAMPLE_RATE

LONGEST = 30.0  # seconds; what Whisper and Voxtral hear in one go
_SEARCH = 6.0  # seconds at a piece's end in which a pause is looked for
_FRAME = SAMPLE_RATE // 50


def pieces(audio: Any, longest: float = LONGEST) -> Iterator[tuple[float, Any]]:
    """Yield start (seconds) and samples of each piece of *audio*, cut where it is quietest."""
    start, size = 0, int(longest * SAMPLE_RATE)
    while len(audio) - start > size:
        end = _pause(audio, start + size - int(_SEARCH * SAMPLE_RATE), start + size)
        yield start / SAMPLE_RATE, audio[start:end]
        start = end
    if len(audio) > start:
        yield start / SAMPLE_RATE, audio[start:]


def _pause(audio: Any, first: int, last: int) -> int:
    """Return the middle of the quietest fifth of a second between *first* and *last*."""
    frames = (last - first) // _FRAME
    power = (
        np.square(audio[first : first + frames * _FRAME], dtype=np.float64).reshape(frames, _FRAME).mean(1)
    )
    quiet = np.convolve(power, np.ones(10), mode="valid")
    return int(first + (int(quiet.argmin()) + 5) * _FRAME)
