"""What a model is for, in the Hub's words, as far as its classes make it certain."""

from __future__ import annotations

import re
from collections.abc import Iterable

SPEECH = "automatic-speech-recognition"

_BY_CLASS = (
    (re.compile(r"(?:Whisper|Voxtral|Speech2Text|Moonshine)\w*Generation"), SPEECH),
    (re.compile(r"\w+For(?:CTC|SpeechSeq2Seq|RNNT|TDT)"), SPEECH),
    (re.compile(r".*ForCausalLM|.*LMHeadModel"), "text-generation"),
    (
        re.compile(r"(?:M?T5|LongT5|M?Bart|Pegasus)ForConditionalGeneration|MarianMTModel"),
        "text2text-generation",
    ),
    (re.compile(r"\w+VLForConditionalGeneration|\w+ForImageTextToText"), "image-text-to-text"),
    (re.compile(r".*ForMaskedLM"), "fill-mask"),
    (re.compile(r".*ForSequenceClassification"), "text-classification"),
    (re.compile(r".*ForTokenClassification"), "token-classification"),
    (re.compile(r".*ForQuestionAnswering"), "question-answering"),
    (re.compile(r".*ForImageClassification"), "image-classification"),
    (re.compile(r".*ForObjectDetection"), "object-detection"),
    (re.compile(r".*ForAudioClassification"), "audio-classification"),
)


def task_of(classes: Iterable[str]) -> str | None:
    """Return the pipeline tag of a model of *classes*; None where they leave it open."""
    for name in classes:
        for pattern, task in _BY_CLASS:
            if pattern.fullmatch(name):
                return task
    return None
