"""Everything a card may say, each from one of the inputs; what nobody said is None or empty."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spacehand.model.artifact import Model, ModelKind, variants
from spacehand.model.card import plot
from spacehand.model.selection import RESULTS_FOLDER
from spacehand.model.training import Training, Value
from spacehand.model.weights import WeightFacts, combined_sha256, weight_facts

# `owner/name`, or `name` alone for the oldest models: what the Hub takes as an id in a card's header.
_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?")
_TASKS_BY_ADAPTER = {
    "CAUSAL_LM": "text-generation",
    "SEQ_CLS": "text-classification",
    "TOKEN_CLS": "token-classification",
    "QUESTION_ANS": "question-answering",
}


@dataclass(frozen=True, slots=True)
class CardWords:
    """What only a person can say; each word given here comes before what files say."""

    title: str | None = None
    description: str | None = None
    author: str | None = None
    license: str | None = None
    language: tuple[str, ...] = ()
    base_model: str | None = None
    datasets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    limitations: str | None = None
    intended_use: str | None = None
    template: Path | None = None  # a card template of one's own, native or of an older project


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file of the weights."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class QuantizedCopy:
    """The same model with smaller numbers, in a subfolder of the repository."""

    subfolder: str
    quantization: str  # such as ``quant_method torchao, quant_type Int8WeightOnlyConfig``
    files: tuple[WeightsFile, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one card."""

    repo: str  # owner/name
    title: str
    kind: ModelKind | None = None
    is_whisper: bool = False
    specification: str | None = None  # of a CTranslate2 model
    architectures: tuple[str, ...] = ()
    base_class: str | None = None  # what a LoRA was trained on
    task: str | None = None  # the Hub's pipeline tag, where it is certain
    library: str | None = None
    framework: Mapping[str, str] = field(default_factory=dict)
    quantization: Mapping[str, str] = field(default_factory=dict)
    weights: tuple[WeightsFile, ...] = ()
    weights_sha256: str | None = None
    weight_facts: WeightFacts | None = None
    variants: Mapping[str, str] = field(default_factory=dict)  # subfolder: what it holds
    quantized: tuple[QuantizedCopy, ...] = ()  # those of the variants that say how they were quantized
    settings: Mapping[str, Value] = field(default_factory=dict)
    metrics: Mapping[str, int | float] = field(default_factory=dict)
    plot: str | None = None  # the path of the loss curve
    plot_text: str | None = None
    description: str | None = None
    author: str | None = None
    license: str | None = None
    language: tuple[str, ...] = ()
    base_model: str | None = None
    datasets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    limitations: str | None = None
    intended_use: str | None = None

    @property
    def base_model_id(self) -> str | None:
        """The base model, if it can be an id on the Hub and is no path on somebody's disk."""
        return self.base_model if self.base_model and is_hub_id(self.base_model) else None

    @property
    def base_model_name(self) -> str | None:
        """The base model as a card may show it: a local path is cut down to its last part."""
        if self.base_model is None or self.base_model_id:
            return self.base_model
        looks_local = self.base_model.startswith((".", "/", "~")) or "\\" in self.base_model
        return re.split(r"[\\/]", self.base_model.rstrip("\\/"))[-1] if looks_local else self.base_model


def is_hub_id(text: str) -> bool:
    """Whether *text* can be the id of a repository on the Hub."""
    return bool(_ID.fullmatch(text)) and "--" not in text and ".." not in text


def gather(
    repo: str,
    model: Model,
    training: Training,
    *,
    hashes: Mapping[str, str],
    words: CardWords | None = None,
) -> Facts:
    """Return the facts of *model*; *hashes* are the sha256 of its and its variants' weights by path."""
    files = [file.relative_to(model.folder).as_posix() for file in model.weights]
    sizes = {path: file.stat().st_size for path, file in zip(files, model.weights, strict=True)}
    drawn = plot.is_drawable(training.history)
    others = variants(model)
    facts = from_training(repo, training, words=words, adapter=model.adapter)
    return replace(
        facts,
        kind=model.kind,
        is_whisper=model.is_whisper,
        specification=model.specification,
        architectures=model.architectures,
        base_class=model.base_class,
        task=_task(model),
        library=_library(model),
        framework=_framework(model),
        quantization=_quantization(model),
        weights=tuple(WeightsFile(path, sizes[path], hashes[path]) for path in files),
        weights_sha256=combined_sha256({path: hashes[path] for path in files}),
        weight_facts=weight_facts(model),
        variants={name: _variant(variant) for name, variant in others.items()},
        quantized=tuple(
            _copy(name, variant, hashes) for name, variant in others.items() if _quantization(variant)
        ),
        plot=f"{RESULTS_FOLDER}/{plot.name(training.history)}" if drawn else None,
        plot_text=_plot_text(training) if drawn else None,
    )


def from_training(
    repo: str,
    training: Training,
    *,
    words: CardWords | None = None,
    adapter: Mapping[str, Any] | None = None,
) -> Facts:
    """Return the facts that need no model folder: what was said of the training, and by whom."""
    words, said = words or CardWords(), dict(training.settings)
    adapter_settings = _adapter_settings(adapter or {})
    base = adapter_settings.pop("base_model", None)
    return Facts(
        repo=repo,
        title=words.title or _text(said.pop("title", None)) or repo.rpartition("/")[2],
        description=words.description or _text(said.pop("description", None)),
        author=words.author or _text(said.pop("author", None)),
        license=words.license or _text(said.pop("license", None)),
        language=words.language or _texts(said.pop("language", None)),
        base_model=words.base_model or _text(said.pop("base_model", None)) or _text(base),
        datasets=words.datasets or _texts(said.pop("dataset", None)),
        tags=words.tags,
        limitations=words.limitations or _text(said.pop("limitations", None)),
        intended_use=words.intended_use or _text(said.pop("intended_use", None)),
        settings={**adapter_settings, **_without_words(said)},
        metrics=training.metrics,
    )


_WORDS = frozenset(
    {
        *("title", "description", "author", "license", "language", "base_model", "dataset"),
        *("limitations", "intended_use"),
    }
)


def _without_words(said: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in said.items() if name not in _WORDS}


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int | float) and str(value).strip() else None


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, tuple):
        return tuple(str(entry) for entry in value)
    text = _text(value)
    return (text,) if text else ()


_ADAPTER_NAMES = {
    "base_model_name_or_path": "base_model",
    "r": "lora_rank",
    "lora_alpha": "lora_alpha",
    "lora_dropout": "lora_dropout",
}


def _adapter_settings(adapter: Mapping[str, Any]) -> dict[str, Value]:
    settings: dict[str, Value] = {}
    for theirs, ours in _ADAPTER_NAMES.items():
        value = adapter.get(theirs)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
            settings[ours] = value
    modules = adapter.get("target_modules")
    if isinstance(modules, str) and modules:
        settings["target_modules"] = modules
    elif isinstance(modules, list) and modules:
        settings["target_modules"] = tuple(sorted(map(str, modules)))
    return settings


def _task(model: Model) -> str | None:
    return model.task or _TASKS_BY_ADAPTER.get(str(model.adapter.get("task_type")))


def _library(model: Model) -> str | None:
    if model.kind is ModelKind.LORA:
        return "peft"
    if model.kind in (ModelKind.CTRANSLATE2, ModelKind.ONNX):
        return str(model.kind)
    known = {"architectures", "model_type", "transformers_version"} & set(model.config)
    return "transformers" if known else None


def _framework(model: Model) -> dict[str, str]:
    said = {}
    for library, mapping, key in (
        ("transformers", model.config, "transformers_version"),
        ("peft", model.adapter, "peft_version"),
    ):
        if isinstance(mapping.get(key), str) and mapping[key]:
            said[library] = str(mapping[key])
    for header in model.headers.values():
        if "opset" in header.details:
            said["ONNX opset"] = str(header.details["opset"])
        if header.details.get("producer"):
            said["exported by"] = str(header.details["producer"])
    return said


_QUANTIZATION = (
    *("quant_method", "quant_type", "load_in_4bit", "load_in_8bit", "bits", "group_size"),
    "bnb_4bit_quant_type",
)


def _quantization(model: Model) -> dict[str, str]:
    config = model.config.get("quantization_config")
    if not isinstance(config, Mapping):
        return {}
    said = {
        name: str(config[name])
        for name in _QUANTIZATION
        if isinstance(config.get(name), str | int) and config[name] is not False and config[name] != ""
    }
    # torchao writes the class of its settings below the name of the rule they are for.
    match config.get("quant_type"):
        case {"default": {"_type": str(kind)}}:
            said["quant_type"] = kind
    return said


def _copy(name: str, variant: Model, hashes: Mapping[str, str]) -> QuantizedCopy:
    sizes = {file.relative_to(variant.folder).as_posix(): file.stat().st_size for file in variant.weights}
    return QuantizedCopy(
        name,
        ", ".join(f"{key} {value}" for key, value in _quantization(variant).items()),
        tuple(WeightsFile(f"{name}/{path}", size, hashes[f"{name}/{path}"]) for path, size in sizes.items()),
    )


def _variant(variant: Model) -> str:
    said = _quantization(variant)
    dtypes = weight_facts(variant).dtypes
    return ", ".join([str(variant.kind), *(f"{name} {value}" for name, value in said.items()), *dtypes])


def _plot_text(training: Training) -> str:
    axis, train, evaluation = plot.lines(training.history)
    parts = [
        f"{label} loss from {figure(series[0][1])} to {figure(series[-1][1])}"
        for label, series in (("training", train), ("evaluation", evaluation))
        if series
    ]
    text = " and ".join(parts)
    return f"{text[:1].upper()}{text[1:]}, by {axis}"


def figure(value: float) -> str:
    """Return a number as a card shows it: whole ones whole, others with six significant digits."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.6g}" if math.isfinite(value) else str(value)


def listed(values: Sequence[str]) -> str:
    """Return *values* as one text."""
    return ", ".join(values)
