"""
Make recordings that nothing can be heard in, with a Python that has PyAV: ``make_recordings.py FOLDER``.

    silence.wav  noise.wav    a second and a half of each
    mute.mp4                  a film without sound
    speaks.mp4                the same film, with the speech of the second argument
"""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np

RATE = 16_000


def film(target: Path, speech: Path | None) -> None:
    with av.open(str(target), "w") as made:
        picture = made.add_stream("mpeg4", rate=10)
        picture.width = picture.height = 64
        sound = made.add_stream("aac", rate=RATE) if speech else None
        for _ in range(20):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            made.mux(picture.encode(frame))
        made.mux(picture.encode())
        if sound:
            with av.open(str(speech)) as source:
                for heard in source.decode(audio=0):
                    made.mux(sound.encode(heard))
            made.mux(sound.encode())


def tone(target: Path, samples: np.ndarray) -> None:
    with av.open(str(target), "w") as made:
        stream = made.add_stream("pcm_s16le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples.astype(np.int16).reshape(1, -1), "s16", "mono")
        frame.sample_rate = RATE
        made.mux(stream.encode(frame))
        made.mux(stream.encode())


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    tone(folder / "silence.wav", np.zeros(RATE * 3 // 2))
    tone(folder / "noise.wav", np.random.default_rng(0).normal(0, 3000, RATE * 3 // 2))
    film(folder / "mute.mp4", None)
    film(folder / "speaks.mp4", Path(sys.argv[2]))
