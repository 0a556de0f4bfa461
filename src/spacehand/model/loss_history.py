"""How the loss went, from a trainer's records or the lines of its log."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_LARGEST_LOG = 64 << 20  # bytes
_LOSS = ("loss", "train_loss", "training_loss")
_EVALUATION_LOSS = ("eval_loss", "val_loss", "valid_loss", "validation_loss")
_FIGURE = r"['\"]?\s*[=:]\s*['\"]?([-+]?(?:[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+|nan|inf))"
_ASSIGNED = re.compile(r"(?i)(?<![\w])(" + "|".join((*_LOSS, *_EVALUATION_LOSS)) + r")" + _FIGURE)
_STEP = re.compile(r"(?i)(?<![\w])(?:global_?)?steps?['\"]?\s*[=:]?\s*([0-9]+)")
_EPOCH = re.compile(r"(?i)(?<![\w])epochs?['\"]?\s*[=:]?\s*([0-9]+(?:\.[0-9]+)?)")


@dataclass(frozen=True, slots=True)
class Point:
    """The loss at one moment of a training; what was not recorded then is None."""

    step: float | None
    epoch: float | None
    loss: float | None
    evaluation_loss: float | None


def from_entries(entries: Iterable[object]) -> tuple[Point, ...]:
    """Return the points in a trainer's list of records; records without a loss are none."""
    points = (_point(entry) for entry in entries if isinstance(entry, Mapping))
    return tuple(point for point in points if point is not None)


def from_log(file: Path) -> tuple[Point, ...]:
    """Return the points in a log: a trainer's ``{'loss': …}`` lines, or anything that says ``loss=…``."""
    if file.stat().st_size > _LARGEST_LOG:
        return ()
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    points = (_point(_record(line)) for line in lines if "loss" in line.lower())
    return tuple(point for point in points if point is not None)


def _point(entry: Mapping[str, object]) -> Point | None:
    if "train_runtime" in entry:
        return None  # the summary of the whole training, not a moment of it
    loss, evaluation = _first(entry, _LOSS), _first(entry, _EVALUATION_LOSS)
    if loss is None and evaluation is None:
        return None
    return Point(_first(entry, ("step", "global_step")), _first(entry, ("epoch",)), loss, evaluation)


def _first(entry: Mapping[str, object], names: Iterable[str]) -> float | None:
    for name in names:
        value = entry.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            continue
        try:
            figure = float(value)
        except ValueError:
            continue
        return figure if math.isfinite(figure) else None
    return None


def _record(line: str) -> Mapping[str, object]:
    start, end = line.find("{"), line.rfind("}")
    if 0 <= start < end:
        try:
            record = ast.literal_eval(line[start : end + 1])
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            record = None
        if isinstance(record, dict):
            return record
    said: dict[str, object] = {name.lower(): figure for name, figure in _ASSIGNED.findall(line)}
    for name, pattern in (("step", _STEP), ("epoch", _EPOCH)):
        if said and (match := pattern.search(line)):
            said[name] = match[1]
    return said
