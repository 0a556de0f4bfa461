"""What can run a model: one module for each engine, chosen by the files the model has."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from asr.errors import WeightsError
from asr.settings import Settings
from asr.weights import Weights

SAMPLE_RATE = 16_000  # what every engine hears


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


class Engine(Protocol):
    """A loaded model."""

    name: str  # of the engine, with its versions and precision
    model: str  # what the weights themselves say they are
    languages: Sequence[str]  # codes; one alone means that the model knows no other

    def transcribe(self, audio: Any, language: str | None, stop: Callable[[], bool]) -> Heard:
        """
        Return what is said in *audio* (mono float32 at :data:`SAMPLE_RATE`); without *language*, detect it.

        *stop* is asked now and then, and when it says so the work ends with what was understood so far.
        """
        ...


def choose(folder: Path) -> str:
    """
    Return the engine for the model in *folder*, going by its files.

    Raises:
        WeightsError: no engine of this Space can run it.
    """
    names = {path.name for path in folder.iterdir()}
    if "model.bin" in names and any(name.startswith("vocabulary.") for name in names):
        return "ctranslate2"
    if "adapter_config.json" in names:
        found = "a LoRA adapter"
    elif any(name.endswith(".safetensors") for name in names):
        found = f"a {_model_type(folder)} model for transformers"
    else:
        found = "of an unknown kind"
    raise WeightsError(f"This model is {found}; this Space was built to run CTranslate2 models")


def load(weights: Weights, settings: Settings) -> Engine:
    """
    Return the engine that runs *weights*, loaded.

    Raises:
        WeightsError: none can, or the files are damaged.
    """
    name = choose(weights.folder)
    try:
        module = importlib.import_module(f"asr.engines.{name}")
    except ImportError as error:
        message = f"This model needs the engine {name}, which is not installed here: {error}"
        raise WeightsError(message) from error
    engine: Engine = module.load(weights, settings)
    return engine


def _model_type(folder: Path) -> str:
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError):
        return "safetensors"
