"""What a safetensors file says it holds, from its header; the data is not read, and nothing is imported."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

from asr.errors import WeightsError

_HEADER_LIMIT = 100_000_000  # bytes; the format's own limit
# Bytes of one number, by the format's names.
SIZES = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2,
    "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """One array of numbers."""

    name: str
    dtype: str  # as safetensors spells it: F32, BF16, …
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


def read(file: Path) -> tuple[Tensor, ...]:
    """
    Return the tensors that *file* holds.

    Raises:
        WeightsError: it is no safetensors file, or ends before its last tensor does.
    """
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > _HEADER_LIMIT:
                raise ValueError(length)
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        tensors = tuple(
            Tensor(name, said["dtype"], tuple(map(int, said["shape"]))) for name, said in header.items()
        )
        end = 8 + length + max((said["data_offsets"][1] for said in header.values()), default=0)
    except (OSError, struct.error, ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"{file.name} is damaged: it has no readable safetensors header") from error
    if (size := file.stat().st_size) != end:
        raise WeightsError(f"{file.name} is damaged: it has {size:,} bytes, and its header tells of {end:,}")
    if not tensors:
        raise WeightsError(f"{file.name} holds no tensors")
    return tensors
