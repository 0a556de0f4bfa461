"""What can run a model: one module for each engine, chosen by the files the model has."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from asr.errors import WeightsError
from asr.settings import Settings
from asr.weights import Weights

SAMPLE_RATE = 16_000  # what every engine hears
# What each engine imports, and what people call that.
_PACKAGES = {"ctranslate2": ("faster_whisper", "CTranslate2"), "transformers": ("torch", "transformers")}


@dataclass(frozen=True)
class Word:
    """One word, when it was said (seconds), and how sure the model is of it (0 to 1)."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Heard:
    """What an engine understood."""

    text: str
    language: str
    words: tuple[Word, ...]
    times_are_measured: bool = True  # else spread over the recording by the length of the words


class Engine(Protocol):
    """A loaded model."""

    name: str  # of the engine, with its versions and precision
    model: str  # what the weights themselves say they are
    languages: Sequence[str]  # codes; one alone: the model knows no other; none: nobody told which

    def transcribe(self, audio: Any, language: str | None, stop: Callable[[], bool]) -> Heard:
        """
        Return what is said in *audio* (mono float32 at :data:`SAMPLE_RATE`); without *language*, detect it.

        *stop* is asked now and then, and when it says so the work ends with what was understood so far.
        """
        ...


@runtime_checkable
class LiveEngine(Protocol):
    """An engine that is fast enough to hear the last seconds again and again while somebody speaks."""

    def glimpse(self, audio: Any, language: str | None, start: float) -> Sequence[Word] | None:
        """
        Return the words of *audio*, a few seconds that began at *start*, without weighing alternatives.

        No words: nobody speaks. None: somebody does, and it was not understood.
        """
        ...


def choose(weights: Weights) -> str:
    """
    Return the engine for *weights*, going by their files.

    Raises:
        WeightsError: no engine can run them.
    """
    files = weights.files
    if files == ("model.bin",) and any(weights.folder.glob("vocabulary.*")):
        return "ctranslate2"
    configured = ((weights.base or weights).folder / "config.json").is_file()
    if files[0].endswith((".safetensors", ".bin")) and configured:
        return "transformers"
    raise WeightsError(
        f"The model {weights.model_id} is of an unknown kind: there is {files[0]}, and no config.json; "
        "CTranslate2 and transformers models are served here"
    )


def load(weights: Weights, settings: Settings) -> Engine:
    """
    Return the engine that runs *weights*, loaded.

    Raises:
        WeightsError: none can, or the files are damaged.
    """
    name = choose(weights)
    needed, package = _PACKAGES[name]
    if importlib.util.find_spec(needed) is None:
        what = (
            f"a {_kind(weights)} model for {package}" if weights.base is None else f"an adapter for {package}"
        )
        raise WeightsError(f"The model {weights.model_id} is {what}; this Space was built without {package}")
    module = importlib.import_module(f"asr.engines.{name}")
    engine: Engine = module.load(weights, settings)
    return engine


def _kind(weights: Weights) -> str:
    return str(weights.config.get("model_type", "Whisper"))
