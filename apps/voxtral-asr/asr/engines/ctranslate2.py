"""Whisper models in CTranslate2's format, by faster-whisper; no PyTorch needed."""

from __future__ import annotations

import os
import re
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

# On a processor that others use too, threads that wait by spinning make a transcription many times slower.
# Read by the OpenMP library when it is loaded, that is by the next import.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from faster_whisper import WhisperModel
from faster_whisper.vad import get_speech_timestamps

from asr.engines import SAMPLE_RATE, Heard, Word
from asr.errors import WeightsError
from asr.settings import Settings
from asr.weights import Weights

# What a CTranslate2 file calls the table of token embeddings: (vocabulary, width), in this order.
_EMBEDDINGS = "decoder/embeddings/weight"
_ENCODER_LAYER = re.compile(r"encoder/layer_(\d+)/")
_WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})  # every part is a word there
_SIZES = {384: "tiny", 512: "base", 768: "small", 1024: "medium", 1280: "large"}
_FRAMES_PER_SECOND = 100
_LEAST_HEARD = 5.0  # seconds of a short window; with less, words are made up
_ROOM = 1.5  # seconds of silence after what was said, by which the model knows that it ended
# Nobody says more than about six words in a second; a model that goes on has lost its way.
_TOKENS_PER_SECOND = 15
_TOKENS_AT_LEAST = 12
_REPETITIVE = 2.4  # how many times shorter a text can be written; OpenAI's Whisper gives up there, too
_LAYERS = {384: 4, 512: 6, 768: 12, 1024: 24, 1280: 32}


def load(weights: Weights, settings: Settings) -> Whisper:
    """
    Return the model, loaded for this machine's processor.

    Raises:
        WeightsError: the files are damaged, or ask for what a processor cannot do.
    """
    if settings.quantization == "nf4":
        raise WeightsError("MODEL_QUANTIZATION=nf4 needs a transformers model; CTranslate2 runs int8")
    try:
        model = ShortWhisper(
            str(weights.folder),
            device="cpu",
            compute_type="int8",
            cpu_threads=_threads(),
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise WeightsError(f"The model {weights.model_id} cannot be loaded: {error}") from error
    return Whisper(model, describe(weights.folder / "model.bin", multilingual=model.model.is_multilingual))


class ShortWhisper(WhisperModel):
    """A Whisper that can be told not to listen to the silence after a short recording."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._frames = threading.local()

    @contextmanager
    def hearing(self, seconds: float) -> Iterator[None]:
        """Within, and in this thread, hear only *seconds* of each window: silence costs as much as speech."""
        self._frames.most = int(seconds * _FRAMES_PER_SECOND)
        try:
            yield
        finally:
            del self._frames.most

    def encode(self, features: Any) -> Any:
        most = getattr(self._frames, "most", None)
        return super().encode(features if most is None else features[..., :most])


class Whisper:
    """A Whisper model, with the probability of every word."""

    def __init__(self, whisper: ShortWhisper, model: str) -> None:
        self._whisper = whisper
        self.model = model
        self.name = (
            f"faster-whisper {version('faster-whisper')}, CTranslate2 {version('ctranslate2')}, int8 on CPU"
        )
        self.languages: Sequence[str] = tuple(whisper.supported_languages)

    def transcribe(self, audio: Any, language: str | None, stop: Callable[[], bool]) -> Heard:
        """Return what is said; *stop* is asked after each segment, that is every 30 s of audio at most."""
        if not get_speech_timestamps(audio):
            return Heard("", language or "", ())  # Whisper hears words even in noise
        segments, info = self._whisper.transcribe(
            audio,
            language=language,
            beam_size=5,
            word_timestamps=True,
            vad_filter=True,
            condition_on_previous_text=False,  # a slip in one window must not spoil the next
        )
        parts = []
        for segment in segments:
            parts += segment.words or ()
            if stop():
                break
        text = "".join(part.word for part in parts).strip()
        return Heard(text, info.language, tuple(_words(parts, info)))

    def glimpse(self, audio: Any, language: str | None, start: float) -> Sequence[Word] | None:
        """Return the words of *audio* without weighing alternatives; None if the model lost its way."""
        if not get_speech_timestamps(audio):
            return ()
        with self._whisper.hearing(max(_LEAST_HEARD, len(audio) / SAMPLE_RATE + _ROOM)):
            segments, info = self._whisper.transcribe(
                audio,
                language=language,
                beam_size=1,
                temperature=0.0,
                word_timestamps=True,
                condition_on_previous_text=False,
                max_new_tokens=_TOKENS_AT_LEAST + int(len(audio) / SAMPLE_RATE * _TOKENS_PER_SECOND),
            )
            heard = list(segments)
        if any(segment.compression_ratio > _REPETITIVE for segment in heard):
            return None  # it writes the same again and again
        parts = [part for segment in heard for part in segment.words or ()]
        return [replace(word, start=word.start + start, end=word.end + start) for word in _words(parts, info)]


def _words(parts: Sequence[Any], info: Any) -> list[Word]:
    words: list[Word] = []
    for part in parts:
        words.append(_word(part))
        if info.language not in _WITHOUT_SPACES and not part.word.startswith(" "):
            words[-2:] = [_joined(words[-2:])]
    return words


def _word(part: Any) -> Word:
    # The probabilities are numpy's, which JSON does not know.
    return Word(part.word.strip(), *(round(float(x), 4) for x in (part.start, part.end, part.probability)))


def _joined(parts: Sequence[Word]) -> Word:
    """Return `ill` and `-disposed` as one word, as sure as its less sure part."""
    return Word(
        "".join(part.text for part in parts),
        parts[0].start,
        parts[-1].end,
        min(part.confidence for part in parts),
    )


def describe(model_bin: Path, *, multilingual: bool) -> str:
    """Return what the weights say they are: ``Whisper tiny.en (37.8 million parameters)``."""
    shapes = variables(model_bin)
    parameters = sum(size for _, size in shapes.values())
    width = shapes.get(_EMBEDDINGS, ((0, 0), 0))[0][-1]
    layers = len({found[1] for name in shapes if (found := _ENCODER_LAYER.match(name))})
    # A size is named only if width and depth both are those of that size.
    size = _SIZES.get(width) if _LAYERS.get(width) == layers else None
    name = (
        f"Whisper {size}{'' if multilingual else '.en'}" if size else f"Whisper of {layers} layers x {width}"
    )
    return f"{name} ({parameters / 1e6:.1f} million parameters)"


def variables(model_bin: Path) -> dict[str, tuple[tuple[int, ...], int]]:
    """Return each variable's shape and number of values, from the file's own headers; the data is skipped."""
    found: dict[str, tuple[tuple[int, ...], int]] = {}
    with model_bin.open("rb") as stream:

        def number(code: str) -> int:
            value: int = struct.unpack(f"<{code}", stream.read(struct.calcsize(code)))[0]
            return value

        def text() -> str:
            return stream.read(number("H")).rstrip(b"\0").decode()

        if number("I") < 6:
            return {}
        text()  # the specification's name: WhisperSpec
        number("I")  # its revision
        for _ in range(number("I")):
            name = text()
            shape = tuple(number("I") for _ in range(number("B")))
            number("B")  # type of the values
            stream.seek(number("I"), os.SEEK_CUR)
            count = 1
            for length in shape:
                count *= length
            found[name] = (shape, count)
    return found


def _threads() -> int:
    """Return how many processors this container may use; CPU_CORES is the Hub's word for it."""
    try:
        return max(1, int(float(os.environ.get("CPU_CORES", ""))))
    except ValueError:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
