"""Models of transformers: Voxtral, Whisper and others that write, CTC models, and LoRA adapters on them."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

# See ctranslate2.py: threads that spin while they wait make a shared processor many times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import transformers
import yaml
from transformers.models.auto.modeling_auto import MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES

from asr import memory, tensors
from asr.engines import Engine
from asr.engines.transformers_adapter import merged, on_top
from asr.engines.transformers_ctc import CtcModel
from asr.engines.transformers_writer import VoxtralModel, WriterModel
from asr.errors import WeightsError
from asr.memory import Plan
from asr.settings import Settings
from asr.weights import Weights

# Any of these says that a processor can be made of the folder's files.
_PROCESSORS = ("processor_config.json", "preprocessor_config.json")
_DAMAGED = (RuntimeError, ValueError, OSError, KeyError, TypeError, AttributeError, ImportError)


def load(weights: Weights, settings: Settings) -> Engine:
    """
    Return the model that *weights* are, an adapter applied to its base, all of it checked.

    Raises:
        WeightsError: it does not fit into memory, or is damaged, or parts of it have no place in the other.
    """
    gpu = torch.cuda.is_available()
    room = torch.cuda.mem_get_info()[0] if gpu else memory.limit()
    plan = memory.plan(weights, settings, room, gpu=gpu)
    for file in weights.files if weights.base else ():
        if file.endswith(".safetensors"):
            tensors.read(weights.folder / file)  # a truncated adapter is named, before its base is loaded
    try:
        torch.set_num_threads(_threads())
        model = _model(weights, plan, "cuda" if gpu else "cpu")
        processor = transformers.AutoProcessor.from_pretrained(
            _processor_folder(weights), local_files_only=True
        )
    except _DAMAGED as error:
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise WeightsError(f"The model {weights.model_id} cannot be loaded: {why}") from error
    return _engine(model, processor, weights, plan)


def _model(weights: Weights, plan: Plan, device: str) -> Any:
    base = weights.base or weights
    later = weights.base is not None and plan.quantization == "int8"
    options: dict[str, Any] = {"dtype": "auto" if plan.dtype == "stored" else getattr(torch, plan.dtype)}
    if plan.quantization != "none" and not later:
        options["quantization_config"] = _quantization(plan)
    if device == "cuda" or "quantization_config" in options:
        options["device_map"] = device
    model, loaded = _class(base).from_pretrained(
        base.folder, local_files_only=True, output_loading_info=True, **options
    )
    if missing := sorted(loaded["missing_keys"]) + sorted(map(str, loaded["mismatched_keys"])):
        # transformers would fill these with chance, and only warn.
        raise WeightsError(
            f"The weights of {base.model_id} lack {len(missing)} tensors, such as {missing[0]}"
        )
    if weights.base:
        attach = on_top if plan.quantization == "nf4" or base.is_quantized else merged
        model = attach(model, weights)
    if later:
        _to_int8(model)
    if plan.quantization == "int8" and not _has_int8(model):
        raise WeightsError(f"No part of the model {weights.model_id} could be quantized to int8")
    return model.eval()


def _class(model: Weights) -> Any:
    named = model.config.get("architectures")
    name = str(named[0]) if isinstance(named, list) and named else ""
    if name == "VoxtralForConditionalGeneration":
        return transformers.VoxtralForConditionalGeneration
    if name.endswith("ForCTC"):
        return transformers.AutoModelForCTC
    if model.config.get("model_type") in MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES:
        return transformers.AutoModelForSpeechSeq2Seq
    kind = name or model.config.get("model_type") or "unknown"
    raise WeightsError(f"The model {model.model_id} is a {kind}, which is no speech recognizer known here")


def _quantization(plan: Plan) -> Any:
    if plan.quantization == "int8":
        from torchao.quantization import Int8WeightOnlyConfig

        return transformers.TorchAoConfig(Int8WeightOnlyConfig())
    try:
        import bitsandbytes  # noqa: F401
    except ImportError as error:
        raise WeightsError(
            "MODEL_QUANTIZATION=nf4 needs `bitsandbytes==0.50.2` in this Space's requirements.txt"
        ) from error
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=getattr(torch, plan.dtype)
    )


def _to_int8(model: Any) -> None:
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    head = model.get_output_embeddings()
    quantize_(
        model,
        Int8WeightOnlyConfig(),
        filter_fn=lambda module, _name: isinstance(module, torch.nn.Linear) and module is not head,
    )


def _has_int8(model: Any) -> bool:
    return any("Int8" in type(parameter.data).__name__ for parameter in model.parameters())


def _processor_folder(weights: Weights) -> Path:
    """Return where the processor lies: beside the weights, above them, or beside the base of an adapter."""
    places = [weights.folder, weights.root, *([weights.base.folder] if weights.base else [])]
    for place in places:
        if any((place / name).is_file() for name in _PROCESSORS):
            return place
    raise WeightsError(f"The model {weights.model_id} has none of {' and '.join(_PROCESSORS)}")


def _engine(model: Any, processor: Any, weights: Weights, plan: Plan) -> Engine:
    where = torch.cuda.get_device_name() if model.device.type == "cuda" else "CPU"
    precision = plan.quantization
    if precision == "none":
        precision = str(model.dtype).removeprefix("torch.") + (", quantized" if weights.is_quantized else "")
    name = f"transformers {version('transformers')}, PyTorch {version('torch')}, {precision} on {where}"
    about = describe(model, weights)
    languages = stated_languages(weights.root / "README.md")
    kind = _class(weights.base or weights)
    if kind is transformers.VoxtralForConditionalGeneration:
        return VoxtralModel(model, processor, name, about, languages, str(weights.folder))
    if kind is transformers.AutoModelForCTC:
        return CtcModel(model, processor, name, about, languages)
    return WriterModel(model, processor, name, about, languages)


def describe(model: Any, weights: Weights) -> str:
    """Return what the weights say they are: ``Voxtral (4676.2 million parameters) with a LoRA adapter``."""
    kind = str((weights.base or weights).config.get("model_type", "model")).replace("_", "-")
    count = model.num_parameters()  # which knows that nf4 packs two into one number
    return f"{kind.capitalize()} ({count / 1e6:.1f} million parameters)" + (
        " with a LoRA adapter" if weights.base else ""
    )


def stated_languages(card: Path) -> tuple[str, ...]:
    """Return the language codes that the head of the model's *card* states; none where it states none."""
    try:
        head = card.read_text(encoding="utf-8").split("---\n", 2)[1]
        said = yaml.safe_load(head).get("language")
    except (OSError, UnicodeDecodeError, IndexError, AttributeError, yaml.YAMLError):
        return ()
    listed = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    codes = [item for item in listed if isinstance(item, str)]
    return () if "multilingual" in codes else tuple(dict.fromkeys(codes))


def _threads() -> int:
    try:
        return max(1, int(float(os.environ.get("CPU_CORES", ""))))
    except ValueError:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
