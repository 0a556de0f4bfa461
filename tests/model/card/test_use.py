"""The code in a card is Python, fits the kind of the model, and is left out where it would be a guess."""

from __future__ import annotations

from typing import Any

import pytest

from spacehand.model.artifact import ModelKind
from spacehand.model.card.facts import Facts, WeightsFile
from spacehand.model.card.use import snippet


def _snippet(kind: ModelKind, **more: Any) -> str | None:
    return snippet(Facts("ada/tiny", "tiny", kind=kind, **more))


_ASR = "automatic-speech-recognition"
_VOXTRAL = "VoxtralForConditionalGeneration"


@pytest.mark.parametrize(
    ("kind", "facts", "called"),
    [
        (ModelKind.CTRANSLATE2, {"is_whisper": True}, 'WhisperModel("ada/tiny")'),
        (ModelKind.CTRANSLATE2, {"specification": "TransformerSpec"}, "ctranslate2.Translator("),
        (ModelKind.FULL, {"library": "transformers", "task": _ASR}, f'pipeline("{_ASR}", model="ada/tiny")'),
        (
            ModelKind.SHARDED,
            {"library": "transformers", "architectures": (_VOXTRAL,), "language": ("fr",)},
            'processor.apply_transcription_request(language="fr", audio="audio.wav", model_id=repo)',
        ),
        (
            ModelKind.FULL,
            {"library": "transformers", "architectures": ("XModel",)},
            'XModel.from_pretrained("ada/tiny")',
        ),
        (ModelKind.LORA, {"base_class": _VOXTRAL, "base_model": "a/b"}, 'from_pretrained(base, "ada/tiny")'),
        (ModelKind.LORA, {"task": "text-generation", "base_model": "a/b"}, "AutoPeftModelForCausalLM"),
        (ModelKind.LORA, {"base_model": "/home/ada/x"}, "# `base` is the model"),
        (
            ModelKind.ONNX,
            {"weights": (WeightsFile("model.onnx", 1, "0"),)},
            'hf_hub_download("ada/tiny", "model.onnx")',
        ),
    ],
)
def test_the_code_fits_the_kind(kind: ModelKind, facts: dict[str, Any], called: str):
    """
    Each kind is loaded by its own library, by the repository's id.
    """
    code = _snippet(kind, **facts)

    assert code is not None
    assert called in code
    assert "/home/ada" not in code
    compile(code, "card", "exec")


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        (ModelKind.FULL, {}),
        (ModelKind.FULL, {"library": "transformers"}),
        (ModelKind.FULL, {"library": "transformers", "architectures": ("not a name; import os",)}),
        (ModelKind.CTRANSLATE2, {"specification": "SomethingSpec"}),
        (ModelKind.ONNX, {"weights": (WeightsFile("a.onnx", 1, "0"), WeightsFile("b.onnx", 1, "0"))}),
    ],
)
def test_no_code_where_it_would_be_a_guess(kind: ModelKind, facts: dict[str, Any]):
    """
    What cannot be known is not written.
    """
    assert _snippet(kind, **facts) is None
