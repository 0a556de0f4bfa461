"""Which checkpoint of a training is its model, where the training saved no final one."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacehand.errors import ModelError
from spacehand.model.tensor import read_object

_CHECKPOINT = re.compile(r"checkpoint-(?P<step>[0-9]+)")
_STATE = "trainer_state.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint folder, and why it was chosen."""

    folder: Path
    why: str


def choose(output: Path) -> Checkpoint | None:
    """
    Return the checkpoint of the Trainer's *output* folder that is to be published, None where there is none.

    It is the best by the training's own measure (``best_model_checkpoint``), where one was kept and is still
    there; else the last.
    """
    found = _checkpoints(output)
    if not found:
        return None
    last = found[max(found)]
    state = _state(last)
    best = found.get(_step(str(state.get("best_model_checkpoint") or "")))
    if best is None:
        return Checkpoint(last, f"`{last.name}` is taken: the last of {len(found)}, as no best was recorded")
    value = state.get("best_metric")
    said = f", at {value:.6g}" if isinstance(value, int | float) else ""
    return Checkpoint(best, f"`{best.name}` is taken: the best by the training's own measure{said}")


def better_than_final(output: Path) -> str | None:
    """
    Return what to say where the final weights in *output* are not those of the best checkpoint, else None.

    The Trainer loads the best when told so (``load_best_model_at_end``); its records do not tell whether.
    """
    if not (output / _STATE).is_file():
        return None
    best = _checkpoints(output).get(_step(str(_state(output).get("best_model_checkpoint") or "")))
    if best is None:
        return None
    for name in ("model.safetensors", "adapter_model.safetensors"):
        final, kept = output / name, best / name
        if final.is_file() and kept.is_file() and not filecmp.cmp(final, kept, shallow=False):
            return f"The final weights are taken; the best by the training's own measure are `{best.name}`"
    return None


def _checkpoints(output: Path) -> dict[int, Path]:
    """Return the checkpoint folders by the step they were saved at."""
    return {_step(path.name): path for path in output.glob("checkpoint-*") if is_checkpoint(path)}


def is_checkpoint(folder: Path) -> bool:
    """Whether *folder* is one that the Trainer wrote on its way."""
    return _step(folder.name) >= 0 and folder.is_dir()


def _step(path: str) -> int:
    match = _CHECKPOINT.fullmatch(re.split(r"[\\/]", path.rstrip("\\/"))[-1])
    return int(match["step"]) if match else -1


def _state(folder: Path) -> Mapping[str, Any]:
    try:
        return read_object(folder / _STATE)
    except (ModelError, OSError):
        return {}  # a training without a Trainer keeps none
