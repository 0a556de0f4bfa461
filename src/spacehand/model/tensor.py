"""What a weights file says about itself, whatever its format."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spacehand.errors import ModelError

_POINTER = b"version https://git-lfs.github.com/spec/"
AGAIN = "Copy or save it again; if it was downloaded, download it again"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One array in a weights file; *dtype* is spelled as the safetensors format spells it."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many numbers it holds; 1 for a scalar."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class WeightsHeader:
    """
    The header of one weights file.

    *details* are what else the format tells: a specification's name, an opset; *companions* are further files
    that hold part of the weights.
    """

    tensors: tuple[Tensor, ...]
    details: Mapping[str, Any] = field(default_factory=dict)
    companions: tuple[Path, ...] = ()


def refuse_pointer(file: Path) -> None:
    """
    Let *file* pass unless Git LFS left only its note in place of the content.

    Raises:
        ModelError: it did.
    """
    with file.open("rb") as stream:
        if stream.read(len(_POINTER)) == _POINTER:
            raise ModelError(
                f"`{file.name}` is a Git LFS pointer, not the weights",
                where=str(file),
                hint="Fetch the content with `git lfs pull` in the folder it was cloned to",
            )


def read_object(file: Path) -> dict[str, Any]:
    """
    Return the JSON object in *file*.

    Raises:
        ModelError: it is no JSON, or no object.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ModelError(f"`{file.name}` is not UTF-8 text", where=str(file), hint=AGAIN) from error
    except json.JSONDecodeError as error:
        raise ModelError(
            f"`{file.name}` is not valid JSON: {error.msg}",
            where=f"{file}:{error.lineno}",
            hint="Mend the file, or save the model again",
        ) from error
    if not isinstance(content, dict):
        raise ModelError(
            f"`{file.name}` holds no JSON object",
            where=str(file),
            hint="Mend the file, or save the model again",
        )
    return content
