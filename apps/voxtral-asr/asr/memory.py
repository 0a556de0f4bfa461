"""Whether a model fits into memory, known before it is loaded: a killed process says nothing."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from asr import tensors
from asr.errors import WeightsError
from asr.settings import Settings
from asr.tensors import SIZES, Tensor
from asr.weights import Weights

# What Python, PyTorch and the page take, and what grows with the model while it works.
RUNTIME_BYTES = 1_000_000_000
WORKING_SHARE = 0.05
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
# int8 takes only the matrices of linear layers; these matrices belong to others.
_NOT_LINEAR = re.compile(r"embed|lm_head|proj_out|conv|norm|position|wte|wpe")
_NAMES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


def limit(environ: Mapping[str, str] = os.environ, cgroup: tuple[str, ...] = _CGROUP_LIMITS) -> int:
    """Return the bytes this process may use: the least of what the Hub, the container and the machine say."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    if found := _SIZE.fullmatch(environ.get("MEMORY", "").strip()):
        number, unit, binary = found.groups()
        limits.append(int(float(number) * (_BINARY if binary else _UNITS)[unit.lower()]))
    for name in cgroup:
        try:
            limits.append(int(Path(name).read_text()))
        except (OSError, ValueError):
            continue  # not this kind of container, or `max`: it sets no limit
    return min(size for size in limits if size > 0)


@dataclass(frozen=True)
class Plan:
    """How a model is loaded, and how many bytes that takes at most."""

    dtype: str  # float32, bfloat16, or "stored": as the files have it
    quantization: str  # none, int8, nf4
    bytes: int

    @property
    def name(self) -> str:
        return self.dtype if self.quantization == "none" else self.quantization


def plan(weights: Weights, settings: Settings, room: int, *, gpu: bool = False) -> Plan:
    """
    Return how *weights* are loaded into *room* bytes as *settings* ask.

    Raises:
        WeightsError: they do not fit; says what would.
    """
    model = weights.base or weights
    held = _tensors(model)
    stored = _stored(held)
    if not held or weights.is_quantized or stored not in _NAMES:
        return _fitting(Plan("stored", "none", _with_room(model.bytes)), weights, room, ())
    asked = settings.dtype
    if asked == "auto":
        asked = _NAMES[stored]
        if stored == "F16" and not gpu:
            # Processors have no half precision: float32 is faster, bfloat16 as small.
            wide = _plan(weights, held, "float32", settings.quantization)
            asked = "float32" if wide.bytes <= room else "bfloat16"
    chosen = _plan(weights, held, asked, settings.quantization)
    others = [_plan(weights, held, "bfloat16", "none"), _plan(weights, held, asked, "int8")]
    return _fitting(chosen, weights, room, [other for other in others if other.name != chosen.name])


def _fitting(chosen: Plan, weights: Weights, room: int, others: list[Plan] | tuple[()]) -> Plan:
    if chosen.bytes <= room:
        return chosen
    ways = [
        f"`{_setting(other)}` ({_gb(other.bytes)})"
        for other in others
        if other.bytes <= room and other.bytes < chosen.bytes
    ]
    ways.append(f"hardware with at least {_gb(chosen.bytes)} of memory")
    what = "as it is stored" if chosen.dtype == "stored" else f"in {chosen.name}"
    raise WeightsError(
        f"The model {weights.model_id} does not fit: {what} it needs {_gb(chosen.bytes)} of memory, "
        f"and {_gb(room)} are there. What fits: {', or '.join(ways)}"
    )


def _plan(weights: Weights, held: tuple[Tensor, ...], dtype: str, quantization: str) -> Plan:
    size = 4 if dtype == "float32" else 2
    # An adapter is merged before int8 is made of the sum: at that moment all is there in full.
    shrunk = {"int8": 1.0, "nf4": 0.5}.get(quantization, size)
    small = shrunk if quantization == "nf4" or not weights.base else size
    total = sum(each.elements * (small if _is_linear(each) else size) for each in held)
    return Plan(dtype, quantization, _with_room(total + (weights.bytes if weights.base else 0)))


def _is_linear(tensor: Tensor) -> bool:
    return len(tensor.shape) == 2 and not _NOT_LINEAR.search(tensor.name)


def _tensors(model: Weights) -> tuple[Tensor, ...]:
    """Return what the headers tell; nothing of a pickle, which has none."""
    files = [model.folder / file for file in model.files]
    if not all(file.suffix == ".safetensors" for file in files):
        return ()
    return tuple(tensor for file in files for tensor in tensors.read(file))


def _stored(held: tuple[Tensor, ...]) -> str:
    sizes = Counter[str]()
    for tensor in held:
        sizes[tensor.dtype] += tensor.elements * SIZES.get(tensor.dtype, 1)
    return sizes.most_common(1)[0][0] if sizes else ""


def _with_room(size: float) -> int:
    return int(size * (1 + WORKING_SHARE)) + RUNTIME_BYTES


def _setting(plan: Plan) -> str:
    return (
        "MODEL_DTYPE=bfloat16" if plan.quantization == "none" else f"MODEL_QUANTIZATION={plan.quantization}"
    )


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
