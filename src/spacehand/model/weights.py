"""Facts about the weights, from their headers; and the one hash that names them all."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spacehand.hub.digests import Digests
from spacehand.model.artifact import Model, ModelKind
from spacehand.model.tensor import Tensor

# What bitsandbytes stores beside a 4-bit weight to unpack it; no parameters of the model.
_UNPACKING = re.compile(
    r"\.(?:absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.[a-z_0-9]+|SCB|weight_format)\Z"
)
_STATE = re.compile(r"\.quant_state\.[a-z_0-9]+\Z")
# Methods that pack several parameters into one stored number, in ways a header does not tell.
_PACKED_METHODS = frozenset({"gptq", "awq", "hqq", "aqlm", "quip", "eetq", "vptq", "torchao"})
_CTRANSLATE2_EXTRAS = ("_scale", "_zero", "alignment_heads")


@dataclass(frozen=True, slots=True)
class WeightFacts:
    """
    What the headers say of all weights together.

    *parameters* is None where a header does not tell: a pickle, or numbers packed by a quantization.
    *dtypes* counts the stored numbers by type, spelled as in safetensors.
    """

    parameters: int | None
    dtypes: Mapping[str, int]
    bytes: int


def weight_facts(model: Model) -> WeightFacts:
    """Return what the headers of *model* say of its parameters, types and size."""
    tensors = [tensor for header in model.headers.values() for tensor in header.tensors]
    dtypes = Counter[str]()
    for tensor in tensors:
        if tensor.shape and not _is_extra(model.kind, tensor):
            dtypes[tensor.dtype] += tensor.elements
    return WeightFacts(
        parameters=_parameters(model, tensors),
        dtypes=dict(sorted(dtypes.items(), key=lambda item: (-item[1], item[0]))),
        bytes=sum(file.stat().st_size for file in model.weights),
    )


def weights_sha256(model: Model, digests: Digests) -> str:
    """
    Return the sha256 of the weights file; of several, the sha256 of the sorted lines ``HASH  PATH\\n``.

    A path is relative to the model's folder, with forward slashes.
    """
    return combined_sha256({_path(model, file): digests.sha256(file) for file in model.weights})


def combined_sha256(hashes: Mapping[str, str]) -> str:
    """Return the one hash of weights whose hash by path is *hashes*."""
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    lines = sorted(f"{sha256}  {path}\n" for path, sha256 in hashes.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _path(model: Model, file: Path) -> str:
    return file.relative_to(model.folder).as_posix()


def _parameters(model: Model, tensors: Sequence[Tensor]) -> int | None:
    quantization = model.config.get("quantization_config")
    method = quantization.get("quant_method") if isinstance(quantization, Mapping) else None
    if not tensors or method in _PACKED_METHODS:
        return None
    if model.kind is ModelKind.ONNX:
        # Several files are usually the same model for several devices: their sum would count it twice.
        return sum(tensor.elements for tensor in tensors if tensor.shape) if len(model.headers) == 1 else None
    packed = {_STATE.sub("", tensor.name) for tensor in tensors if _STATE.search(tensor.name)}
    total = 0
    for tensor in tensors:
        if tensor.shape and not _is_extra(model.kind, tensor):
            total += tensor.elements * (2 if tensor.name in packed else 1)
    return total


def _is_extra(kind: ModelKind, tensor: Tensor) -> bool:
    if kind is ModelKind.CTRANSLATE2:
        return tensor.name.endswith(_CTRANSLATE2_EXTRAS)
    return bool(_UNPACKING.search(tensor.name))
