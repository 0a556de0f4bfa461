"""From a recording in any usual format to the samples an engine hears."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler

from asr.engines import SAMPLE_RATE
from asr.errors import AudioError
from asr.pieces import is_audible

# What ffmpeg may open. Playlists and scripts of its own are not sound: they name other files and addresses.
_FORMATS = (
    "aac,aiff,amr,ape,asf,au,avi,caf,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,opus,tta,w64,wav,webm,wv"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}


def read(path: str, limit: float) -> Any:
    """
    Return the recording at *path* as mono float32 samples at 16 kHz.

    Reading ends soon after *limit* seconds, so that a day of audio costs no more memory than an hour.

    Raises:
        AudioError: it is no audio, is broken, has nothing in it, is silent, or is longer than *limit*.
    """
    pieces, total = [], 0
    try:
        with av.open(path, mode="r", metadata_errors="ignore", options=_OPTIONS) as container:
            if not container.streams.audio:
                raise AudioError("This file has no sound in it")
            resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            for frame in container.decode(audio=0):
                for piece in resampler.resample(frame):
                    pieces.append(piece.to_ndarray().reshape(-1))
                    total += len(pieces[-1])
                if total > limit * SAMPLE_RATE:
                    raise AudioError(f"The recording is longer than the {limit:g} s this Space allows")
            pieces += [piece.to_ndarray().reshape(-1) for piece in resampler.resample(None)]
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise AudioError("This file cannot be read as audio: broken, or an unknown format") from error
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
    audio = samples.astype(np.float32) / 32768.0
    if len(audio) < SAMPLE_RATE // 10:
        raise AudioError("The recording is empty: nothing was recorded")
    if not is_audible(audio):
        raise AudioError("The recording is silent: is the microphone on?")
    return audio


class PieceReader:
    """Makes samples at 16 kHz of the sound of one microphone, without a crack where its pieces meet."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)

    def __call__(self, sound: bytes) -> Any:
        """Return *sound*, 16-bit samples of one channel, at the rate that engines hear."""
        if not sound:
            return np.zeros(0, np.int16)
        frame = av.AudioFrame.from_ndarray(
            np.frombuffer(sound, "<i2").reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = self._rate
        pieces = [piece.to_ndarray().reshape(-1) for piece in self._resampler.resample(frame)]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
