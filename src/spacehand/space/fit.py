"""
Whether a model fits into the memory of some hardware, by the rule that the bundled apps use themselves.

What is loaded takes its numbers times the bytes of each, a share of that to work in, and what Python and
PyTorch take. It is the memory of processors that is judged; of accelerators nothing is said yet.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spacehand.errors import ConfigError

RUNTIME_BYTES = 1_000_000_000
WORKING_SHARE = 0.05

_STORED = {"F64": 8.0, "F32": 4.0, "F16": 2.0, "BF16": 2.0}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*G", re.IGNORECASE)
# int8 and nf4 take only the matrices of linear layers; these matrices belong to others.
_NOT_LINEAR = re.compile(r"embed|lm_head|proj_out|conv|norm|position|wte|wpe")


@dataclass(frozen=True, slots=True)
class Numbers:
    """One tensor of a model, as the header of its file tells it."""

    name: str
    dtype: str  # as safetensors spells it
    shape: Sequence[int]


@dataclass(frozen=True, slots=True)
class Room:
    """One kind of hardware without an accelerator."""

    name: str
    memory: str  # such as ``16 GB``; the Hub's GB has 2**30 bytes
    usd_per_hour: float

    @property
    def bytes(self) -> int | None:
        """The memory, None where the Hub does not tell it."""
        found = _MEMORY.match(self.memory)
        return int(float(found[1]) * 2**30) if found else None


def needed(numbers: Iterable[Numbers], *, dtype: str = "auto", quantization: str = "none") -> int:
    """Return the bytes that loading *numbers* takes at most, in *dtype* (auto: as stored) and quantized."""
    total = 0.0
    for each in numbers:
        size = {"float32": 4.0, "bfloat16": 2.0}.get(dtype, _STORED.get(each.dtype, 1.0))
        if len(each.shape) == 2 and not _NOT_LINEAR.search(each.name):
            size = {"int8": 1.0, "nf4": 0.5}.get(quantization, size)
        total += math.prod(each.shape) * size
    return int(total * (1 + WORKING_SHARE)) + RUNTIME_BYTES


def check(
    numbers: Sequence[Numbers],
    variables: Mapping[str, str],
    room: Room,
    others: Iterable[Room],
    *,
    where: str,
) -> None:
    """
    Check that *numbers* fit into *room* when an app with *variables* loads them.

    Raises:
        ConfigError: they do not; the hint says which settings, or which of *others*, would do.
    """
    dtype, quantization = (
        variables.get("MODEL_DTYPE", "auto"),
        variables.get("MODEL_QUANTIZATION", "none"),
    )
    asked = needed(numbers, dtype=dtype, quantization=quantization)
    if room.bytes is None or asked <= room.bytes:
        return
    ways = []
    for name, size in (
        ("--dtype bfloat16", needed(numbers, dtype="bfloat16")),
        ("--quantization int8", needed(numbers, dtype=dtype, quantization="int8")),
    ):
        if size < asked and size <= room.bytes:
            ways.append(f"`{name}` ({_gb(size)})")
    larger = [other for other in others if other.bytes is not None and asked <= other.bytes]
    if larger:
        best = min(larger, key=lambda other: (other.usd_per_hour, other.bytes))
        ways.append(f"`--hardware {best.name}` ({_gb(best.bytes or 0)}, ${best.usd_per_hour:g} an hour)")
    raise ConfigError(
        f"The model needs {_gb(asked)} of memory, and `{room.name}` has {_gb(room.bytes)}",
        where=where,
        hint=f"What fits: {', or '.join(ways)}" if ways else "No hardware of this Hub fits it unquantized",
    )


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
