"""
What is known of a training: its settings, its results, and how the loss went.

Only what somebody or some file said is here. A setting that was not given is absent; nothing has a default.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from spacehand.errors import ConfigError
from spacehand.model.checkpoint import is_checkpoint
from spacehand.model.loss_history import Point, from_entries, from_log
from spacehand.model.selection import RESULTS_FOLDER

Value = str | int | float | bool | tuple[str, ...]

_CONFIG_FILES = tuple(
    f"{name}.{ending}"
    for name in ("training_config", "training_args", "args", "hparams", "hyperparameters", "config")
    for ending in ("json", "yaml", "yml")
    if (name, ending) != ("config", "json")  # that one is the model's
)
# The last word is the one that counts: results of an evaluation are about the saved model.
_RESULT_FILES = (
    "all_results.json",
    "train_results.json",
    "metrics.json",
    "test_results.json",
    "eval_results.json",
)
_LOGS = ("training.log", "train.log", "training_log.txt", "training.txt")

# What a setting is called here, and what others call it; the first that is given counts.
_NAMES = {
    "base_model": "base_model_name_or_path model_name_or_path base_model_id pretrained_model_name_or_path",
    "dataset": "dataset_name dataset_id datasets train_dataset",
    "language": "languages lang",
    "license": "licence",
    "author": "author_name",
    "title": "model_title",
    "description": "model_description",
    "limitations": "",
    "intended_use": "intended_uses",
    "experiment": "experiment_name run_name",
    "hardware": "hardware_info gpu device_name",
    "trainer": "trainer_type",
    "optimizer": "optim",
    "scheduler": "lr_scheduler_type lr_scheduler",
    "precision": "mixed_precision torch_dtype",
    "target_modules": "lora_target_modules",
}
_NUMBERS = {
    "dataset_size": "train_samples num_train_samples",
    "learning_rate": "lr",
    "batch_size": "per_device_train_batch_size train_batch_size",
    "gradient_accumulation_steps": "gradient_accumulation",
    "epochs": "num_train_epochs max_epochs num_epochs",
    "max_steps": "num_steps total_steps",
    "max_sequence_length": "max_seq_length max_length model_max_length",
    "warmup_steps": "",
    "warmup_ratio": "",
    "weight_decay": "",
    "seed": "",
    "lora_rank": "lora_r r",
    "lora_alpha": "",
    "lora_dropout": "",
}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NO_METRIC = re.compile(
    r"_.*|(?:.*_)?(?:epoch|step|steps|runtime|flos|per_second|learning_rate|grad_norm)|total_flos|.*_per_second"
)


@dataclass(frozen=True, slots=True)
class Training:
    """
    Everything known of one training; each part may be empty.

    *settings* are keyed by spacehand's names (`learning_rate`, `base_model` …), *given* is what was said in
    its own words, *metrics* the measured figures by the names their files use.
    """

    settings: Mapping[str, Value] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, int | float] = field(default_factory=dict)
    history: tuple[Point, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any], results: Mapping[str, Any]) -> Training:
        """Return what two mappings say, without looking at any file."""
        return cls(_settings([config]), config, _all_metrics([results]), _history([results], []))

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        config: Mapping[str, Any] | Path | None = None,
        results: Mapping[str, Any] | Path | None = None,
    ) -> Training:
        """
        Return what the files in *folder* say of the training; *config* and *results* come first where given.

        Raises:
            ConfigError: one of the files is not what its name says.
        """
        files = _files(folder)
        # The settings of a training lie beside its checkpoints; its results are those of its end.
        settings = (_files(folder.parent) if is_checkpoint(folder) else {}) | files
        said: list[Mapping[str, Any]] = [
            load_mapping(settings[name]) for name in _CONFIG_FILES if name in settings
        ]
        if config is not None:
            said.insert(0, load_mapping(config) if isinstance(config, Path) else config)
        found: list[Mapping[str, Any]] = [
            load_mapping(files[name]) for name in _RESULT_FILES if name in files
        ]
        if results is not None:
            found.append(load_mapping(results) if isinstance(results, Path) else results)
        state = load_mapping(files["trainer_state.json"]) if "trainer_state.json" in files else {}
        return cls(
            settings=_settings(said),
            given=said[0] if said else {},
            metrics=_all_metrics([*_last_records(state), *found]),
            history=_history([*reversed(found), state], [files[name] for name in _LOGS if name in files]),
        )


def load_mapping(file: Path) -> dict[str, Any]:
    """
    Return the mapping in a JSON or YAML *file*.

    Raises:
        ConfigError: it cannot be read, is not valid, or holds no mapping.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        content = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"`{file.name}` cannot be read: {error.strerror}", where=str(file)) from error
    except json.JSONDecodeError as error:
        raise _invalid(file, "JSON", error.msg, error.lineno) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _invalid(file, "YAML", error.problem or "it cannot be parsed", line) from error
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise _invalid(file, "text", "it cannot be decoded", 1) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"`{file.name}` holds no mapping of names to values", where=str(file))
    return {str(key): value for key, value in content.items()}


def number(value: object) -> int | float | None:
    """Return *value* as a number if it is one, also when YAML took it for text (`5e-6`)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if not isinstance(value, str) or not _NUMBER.fullmatch(value.strip()):
        return None
    try:
        return int(value)
    except ValueError:
        return float(value)


def _invalid(file: Path, language: str, problem: str, line: int) -> ConfigError:
    return ConfigError(
        f"`{file.name}` is not valid {language}: {problem}", where=f"{file}:{line}", hint="Mend the file"
    )


def _files(folder: Path) -> dict[str, Path]:
    there = [*folder.glob("*"), *(folder / RESULTS_FOLDER).glob("*")]
    return {file.name: file for file in reversed(there) if file.is_file()}


def _settings(said: Sequence[Mapping[str, Any]]) -> dict[str, Value]:
    flat = [_flatten(mapping) for mapping in said]
    settings: dict[str, Value] = {}
    for name, others in (_NAMES | _NUMBERS).items():
        keys = (name, *others.split())
        values = (_value(name, mapping[key]) for mapping in flat for key in keys if key in mapping)
        if (value := next((value for value in values if value is not None), None)) is not None:
            settings[name] = value
    _interpret(settings, flat)
    return settings


def _interpret(settings: dict[str, Value], flat: Sequence[Mapping[str, Any]]) -> None:
    """Understand the few settings whose meaning is not in their name alone."""
    for mapping in flat:
        named = mapping.get("model_name")
        if isinstance(named, str) and named.strip():
            # Trainers say `model_name` and mean what they start from; people mean what comes out.
            settings.setdefault("base_model" if "/" in named else "title", named.strip())
        for kind in ("bf16", "fp16"):
            if mapping.get(kind) is True:
                settings.setdefault("precision", kind)
    if settings.get("max_steps") == -1:  # transformers' way to say that epochs count
        del settings["max_steps"]
    if str(settings.get("precision", "")).lower() in ("no", "auto", "none"):
        del settings["precision"]


def _flatten(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return *mapping* with the contents of its sections beside the rest, which goes first."""
    mapping = {key: _unwrapped(value) for key, value in mapping.items()}
    flat: dict[str, Any] = {}
    for value in mapping.values():
        if isinstance(value, Mapping):
            for key, inner in _flatten({str(key): inner for key, inner in value.items()}).items():
                flat.setdefault(key, inner)
    return flat | {key: value for key, value in mapping.items() if not isinstance(value, Mapping)}


def _unwrapped(value: Any) -> Any:
    """Return a setting as it is, also where Weights & Biases wrote it as ``{desc: …, value: …}``."""
    wrapped = isinstance(value, Mapping) and "value" in value and set(value) <= {"value", "desc"}
    return value["value"] if wrapped else value


def _value(name: str, value: object) -> Value | None:
    if name in _NUMBERS:
        return number(value)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, list | tuple | set):
        texts = tuple(str(entry).strip() for entry in value if isinstance(entry, str | int | float))
        return texts or None
    return None


def _last_records(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a trainer's last evaluation and its summary, which count where no results file says more."""
    records = state.get("log_history")
    found: dict[str, Mapping[str, Any]] = {}
    for record in records if isinstance(records, list) else ():
        if isinstance(record, Mapping) and "train_runtime" in record:
            found["summary"] = record
        elif isinstance(record, Mapping) and any(str(key).startswith("eval_") for key in record):
            found["evaluation"] = record
    return list(found.values())


def _all_metrics(results: Iterable[Mapping[str, Any]]) -> dict[str, int | float]:
    metrics: dict[str, int | float] = {}
    for mapping in results:
        metrics |= _metrics(mapping)
    return metrics


def _metrics(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, int | float]:
    found: dict[str, int | float] = {}
    for key, value in mapping.items():
        name = f"{prefix}{key}".replace("/", "_")  # Weights & Biases says `eval/wer`
        if isinstance(value, Mapping):
            found |= _metrics({str(inner): entry for inner, entry in value.items()}, f"{name}_")
        elif (figure := number(value)) is not None and not _NO_METRIC.fullmatch(name):
            found[name] = figure
    return found


def _history(mappings: Iterable[Mapping[str, Any]], logs: Iterable[Path]) -> tuple[Point, ...]:
    for mapping in mappings:
        for key in ("log_history", "history"):
            if isinstance(mapping.get(key), list) and (points := from_entries(mapping[key])):
                return points
    for log in logs:
        if points := from_log(log):
            return points
    return ()
