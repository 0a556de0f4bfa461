"""
What a trained folder is.

    full         config.json + model.safetensors (or pytorch_model.bin, a pickle: taken, and warned about)
    sharded      config.json + model.safetensors.index.json and every shard it names
    lora         adapter_config.json + adapter_model.safetensors (or .bin)
    ctranslate2  model.bin whose header names a CTranslate2 specification
    onnx         *.onnx, here or in onnx/

A tokenizer may be there in any form (tokenizer.json, tekken.json, a vocabulary), or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from spacehand.errors import ModelError, UsageError
from spacehand.model import checkpoint, ctranslate2_binary, onnx_header, safetensors_header
from spacehand.model.task import SPEECH, task_of
from spacehand.model.tensor import WeightsHeader, read_object, refuse_pointer

_PICKLE = "is a pickle, which runs code when it is loaded; safetensors would not"
_EXPECTED = (
    "A model folder holds config.json with model.safetensors (or its shards), adapter_config.json with "
    "adapter_model.safetensors, a CTranslate2 model.bin, or an .onnx file"
)
# What makes a subfolder with a configuration a model of its own.
_CONFIGURATIONS = frozenset({"config.json", "adapter_config.json"})
_WEIGHTS = frozenset(
    {
        "model.safetensors",
        "model.safetensors.index.json",
        "adapter_model.safetensors",
        "model.bin",
        "pytorch_model.bin",
        "adapter_model.bin",
    }
)
_NO_VARIANT = re.compile(r"\.|(?:checkpoint|global_step|epoch|step)[-_]?[0-9]|runs\Z|logs?\Z|[0-9]+_[A-Z]")


class ModelKind(StrEnum):
    """How the weights are stored."""

    FULL = "full"
    SHARDED = "sharded"
    LORA = "lora"
    CTRANSLATE2 = "ctranslate2"
    ONNX = "onnx"


@dataclass(frozen=True, slots=True)
class Model:
    """A folder that is a trained model: its kind, its weights and what is said about them."""

    kind: ModelKind
    folder: Path
    weights: tuple[Path, ...]  # all files that hold weights, sorted
    config: Mapping[str, Any] = field(repr=False)  # config.json; empty where there is none
    adapter: Mapping[str, Any] = field(default_factory=dict, repr=False)  # adapter_config.json, for LoRA
    headers: Mapping[Path, WeightsHeader] = field(default_factory=dict, repr=False)  # none for a pickle
    warnings: tuple[str, ...] = ()
    beside: Mapping[str, Model] = field(default_factory=dict, repr=False)  # variants that lie elsewhere

    @classmethod
    def open(cls, folder: Path) -> Model:
        """
        Return the model in *folder*, all its headers read and checked.

        Raises:
            UsageError: there is no such folder.
            ModelError: it is empty, holds no model, or a broken one; names the file.
        """
        folder = folder.expanduser()
        if not folder.is_dir():
            what = "is a file, not a model folder" if folder.exists() else "does not exist"
            raise UsageError(
                f"`{folder}` {what}", where=str(folder), hint="Name the folder your training wrote"
            )
        if not any(folder.iterdir()):
            raise ModelError(f"`{folder}` is empty", where=str(folder), hint=_EXPECTED)
        with naming_files():
            return _of_a_training(folder)

    @property
    def specification(self) -> str | None:
        """The CTranslate2 specification, such as ``WhisperSpec``."""
        for header in self.headers.values():
            if "specification" in header.details:
                return str(header.details["specification"])
        return None

    @property
    def architectures(self) -> tuple[str, ...]:
        """The classes that config.json names."""
        named = self.config.get("architectures")
        return tuple(map(str, named)) if isinstance(named, list) else ()

    @property
    def base_class(self) -> str | None:
        """The class a LoRA was trained on, where its configuration names it."""
        mapping = self.adapter.get("auto_mapping")
        named = mapping.get("base_model_class") if isinstance(mapping, Mapping) else None
        return named if isinstance(named, str) else None

    @property
    def is_whisper(self) -> bool:
        """Whether this is OpenAI's Whisper, by what weights or configuration say, not by its name."""
        classes = (*self.architectures, self.base_class or "")
        return (
            self.specification == "WhisperSpec"
            or self.config.get("model_type") == "whisper"
            or any(name.startswith("Whisper") for name in classes)
        )

    @property
    def task(self) -> str | None:
        """What it is for, in the Hub's words, where its weights or classes leave no doubt."""
        return SPEECH if self.is_whisper else task_of((*self.architectures, self.base_class or ""))


@contextmanager
def naming_files() -> Iterator[None]:
    """Make a ModelError with the file's name of what the system says when it cannot read it."""
    try:
        yield
    except OSError as error:
        where = str(error.filename or "")
        raise ModelError(
            f"`{Path(where).name}` cannot be read: {error.strerror or error}",
            where=where or None,
            hint="Look at the file's rights, and at the disk it is on",
        ) from error


def variants(model: Model) -> dict[str, Model]:
    """
    Return the further models by subfolder, such as a quantized copy in ``int8``: those in the folder,
    and those that are published with it.

    Raises:
        ModelError: one of them is broken.
    """
    found = {}
    for folder in sorted(path for path in model.folder.iterdir() if path.is_dir() and not path.is_symlink()):
        here = {path.name for path in folder.iterdir() if path.is_file()}
        if here & _CONFIGURATIONS and here & _WEIGHTS and not _NO_VARIANT.match(folder.name):
            found[folder.name] = _open(folder)
    return found | dict(model.beside)


def _of_a_training(folder: Path) -> Model:
    """Return the model in *folder*, or in the checkpoint that counts where there is no final one."""
    if _has_weights(folder) or not (chosen := checkpoint.choose(folder)):
        model = _open(folder)
        better = checkpoint.better_than_final(folder)
        return replace(model, warnings=(*model.warnings, better)) if better else model
    model = _open(chosen.folder)
    return replace(model, warnings=(*model.warnings, chosen.why))


def _has_weights(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _WEIGHTS) or any(folder.glob("*.onnx"))


def _open(folder: Path) -> Model:
    if (folder / "adapter_config.json").is_file():
        return _open_lora(folder)
    if (folder / "model.safetensors.index.json").is_file():
        return _open_sharded(folder)
    if (folder / "model.bin").is_file():
        return _open_ctranslate2(folder)
    if (folder / "model.safetensors").is_file() or (folder / "pytorch_model.bin").is_file():
        return _open_full(folder)
    if found := sorted([*folder.glob("*.onnx"), *folder.glob("onnx/*.onnx")]):
        return _open_onnx(folder, found)
    raise _no_weights(folder)


def _open_lora(folder: Path) -> Model:
    adapter = read_object(folder / "adapter_config.json")
    weights, headers, warnings = _one_of(folder, "adapter_model.safetensors", "adapter_model.bin")
    config = _config(folder) if (folder / "config.json").is_file() else {}
    return Model(ModelKind.LORA, folder, weights, config, adapter, headers, warnings)


def _open_full(folder: Path) -> Model:
    weights, headers, warnings = _one_of(folder, "model.safetensors", "pytorch_model.bin")
    return Model(ModelKind.FULL, folder, weights, _config(folder), {}, headers, warnings)


def _one_of(
    folder: Path, safe: str, pickle: str
) -> tuple[tuple[Path, ...], dict[Path, WeightsHeader], tuple[str, ...]]:
    if (folder / safe).is_file():
        return (folder / safe,), {folder / safe: safetensors_header.read(folder / safe)}, ()
    if (folder / pickle).is_file():
        refuse_pointer(folder / pickle)
        if not (folder / pickle).stat().st_size:
            raise ModelError(f"`{pickle}` is empty", where=str(folder / pickle), hint="Save the model again")
        return (folder / pickle,), {}, (f"`{pickle}` {_PICKLE}",)
    raise ModelError(
        f"`{folder}` has a configuration, but neither `{safe}` nor `{pickle}`",
        where=str(folder),
        hint=_EXPECTED,
    )


def _open_sharded(folder: Path) -> Model:
    index = folder / "model.safetensors.index.json"
    mapping = read_object(index).get("weight_map")
    if not isinstance(mapping, dict) or not mapping or not all(_is_name(name) for name in mapping.values()):
        raise ModelError(f"`{index.name}` has no `weight_map`", where=str(index), hint="Save the model again")
    weights = tuple(folder / name for name in sorted(set(mapping.values())))
    if missing := [file.name for file in weights if not file.is_file()]:
        named = ", ".join(f"`{name}`" for name in missing)
        raise ModelError(
            f"`{index.name}` names {named}, which {'are' if len(missing) > 1 else 'is'} not there",
            where=str(folder),
            hint="Copy every shard into the folder, or save the model again",
        )
    headers = {file: safetensors_header.read(file) for file in weights}
    there = {(file.name, tensor.name) for file, header in headers.items() for tensor in header.tensors}
    for tensor, name in mapping.items():
        if (name, tensor) not in there:
            raise ModelError(
                f"`{name}` lacks the tensor `{tensor}` that `{index.name}` places there",
                where=str(folder / name),
                hint="The shards are of two different saves; save the model again",
            )
    return Model(ModelKind.SHARDED, folder, weights, _config(folder), {}, headers)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and Path(value).name == value and value not in (".", "..")


def _open_ctranslate2(folder: Path) -> Model:
    file = folder / "model.bin"
    refuse_pointer(file)
    if not ctranslate2_binary.looks_like(file):
        raise ModelError(
            "`model.bin` is no CTranslate2 model",
            where=str(file),
            hint="A pickle of PyTorch belongs in `pytorch_model.bin`, or better in `model.safetensors`",
        )
    config = _config(folder) if (folder / "config.json").is_file() else {}
    return Model(ModelKind.CTRANSLATE2, folder, (file,), config, {}, {file: ctranslate2_binary.read(file)})


def _open_onnx(folder: Path, files: list[Path]) -> Model:
    headers = {file: onnx_header.read(file) for file in files}
    companions = [companion for header in headers.values() for companion in header.companions]
    config = _config(folder) if (folder / "config.json").is_file() else {}
    weights = tuple(sorted({*files, *companions}))
    return Model(ModelKind.ONNX, folder, weights, config, {}, headers)


def _config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    if not file.is_file():
        raise ModelError(
            f"`{folder}` has weights, but no `config.json` that says what they are weights of",
            where=str(folder),
            hint="Save the configuration beside them with `model.config.save_pretrained(folder)`",
        )
    return read_object(file)


def _no_weights(folder: Path) -> ModelError:
    if list(folder.glob("*.gguf")):
        hint = "GGUF files are not published by spacehand yet; convert to safetensors, or use `hf upload`"
    else:
        hint = _EXPECTED
    return ModelError(f"`{folder}` holds no weights of a known kind", where=str(folder), hint=hint)
