"""How the model is used, by its kind; code only where it is certain to fit."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable

from spacehand.model.artifact import ModelKind
from spacehand.model.card.facts import Facts

_RUNNERS = {
    "TransformerSpec": "Translator",
    "TransformerDecoderModelSpec": "Generator",
    "TransformerEncoderModelSpec": "Encoder",
}


def snippet(facts: Facts) -> str | None:
    """Return Python code that loads the model, or None where its parts do not say how."""
    if facts.kind is None:
        return None
    code = _BY_KIND[facts.kind](facts)
    return textwrap.dedent(code).strip() if code else None


def _ctranslate2(facts: Facts) -> str | None:
    if facts.is_whisper:
        return f"""
            from faster_whisper import WhisperModel

            model = WhisperModel({_quoted(facts.repo)})
            segments, info = model.transcribe("audio.wav")
            print(" ".join(segment.text.strip() for segment in segments))
        """
    runner = _RUNNERS.get(facts.specification or "")
    if runner is None:
        return None
    return f"""
        import ctranslate2
        from huggingface_hub import snapshot_download

        model = ctranslate2.{runner}(snapshot_download({_quoted(facts.repo)}))
    """


def _transformers(facts: Facts) -> str | None:
    name = facts.architectures[0] if facts.architectures else ""
    if facts.library != "transformers":
        return None
    if name == "VoxtralForConditionalGeneration":
        language = f"language={_quoted(facts.language[0])}, " if len(facts.language) == 1 else ""
        return f"""
            from transformers import AutoProcessor, VoxtralForConditionalGeneration

            repo = {_quoted(facts.repo)}
            processor = AutoProcessor.from_pretrained(repo)
            model = VoxtralForConditionalGeneration.from_pretrained(repo)
            inputs = processor.apply_transcription_request({language}audio="audio.wav", model_id=repo)
            tokens = model.generate(**inputs)[:, inputs.input_ids.shape[1] :]
            print(processor.batch_decode(tokens, skip_special_tokens=True)[0])
        """
    if facts.task and not facts.quantization:
        return f"""
            from transformers import pipeline

            model = pipeline({_quoted(facts.task)}, model={_quoted(facts.repo)})
        """
    if not name.isidentifier():
        return None
    return f"""
        from transformers import {name}

        model = {name}.from_pretrained({_quoted(facts.repo)})
    """


def _lora(facts: Facts) -> str | None:
    name, base = facts.base_class, facts.base_model_id
    if name and name.isidentifier() and base:
        return f"""
            from peft import PeftModel
            from transformers import {name}

            base = {name}.from_pretrained({_quoted(base)})
            model = PeftModel.from_pretrained(base, {_quoted(facts.repo)})
        """
    if facts.task == "text-generation" and base:
        return f"""
            from peft import AutoPeftModelForCausalLM

            model = AutoPeftModelForCausalLM.from_pretrained({_quoted(facts.repo)})
        """
    return f"""
        from peft import PeftModel

        # `base` is the model this adapter was trained on, loaded before.
        model = PeftModel.from_pretrained(base, {_quoted(facts.repo)})
    """


def _onnx(facts: Facts) -> str | None:
    files = [file.path for file in facts.weights if file.path.endswith(".onnx")]
    if len(files) != 1 or len(facts.weights) != 1:
        return None
    return f"""
        import onnxruntime
        from huggingface_hub import hf_hub_download

        model = onnxruntime.InferenceSession(hf_hub_download({_quoted(facts.repo)}, {_quoted(files[0])}))
    """


def _quoted(text: str) -> str:
    return json.dumps(text)


_BY_KIND: dict[ModelKind, Callable[[Facts], str | None]] = {
    ModelKind.FULL: _transformers,
    ModelKind.SHARDED: _transformers,
    ModelKind.LORA: _lora,
    ModelKind.CTRANSLATE2: _ctranslate2,
    ModelKind.ONNX: _onnx,
}
