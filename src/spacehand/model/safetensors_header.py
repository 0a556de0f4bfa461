"""The header of a safetensors file, checked as its format demands; no weight is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spacehand.errors import ModelError
from spacehand.model.tensor import AGAIN, Tensor, WeightsHeader, refuse_pointer

_LARGEST = 100_000_000  # bytes; the format's own limit for a header
# Bits of one number. A type the format got later is let through without its size being checked.
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F6_E2M3": 6, "F6_E3M2": 6,
    "F4": 4, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64,
}  # fmt: skip


def read(file: Path) -> WeightsHeader:
    """
    Return the header of *file*.

    Raises:
        ModelError: the header, or the size of the data behind it, is not what the format demands.
    """
    refuse_pointer(file)
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > size - 8:
            promised = f"its header should have {length} bytes" if len(start) == 8 else "it has no header"
            raise _broken(file, f"is cut off, or no safetensors file: {promised}, the file has {size}")
        if length > _LARGEST:
            raise _broken(file, f"says its header has {length} bytes; the format allows {_LARGEST}")
        content = _parse(file, stream.read(length))
    details = content.pop("__metadata__", {})
    spans = sorted((_span(file, name, entry) for name, entry in content.items()), key=lambda span: span[1:])
    _check_layout(file, spans, size - 8 - length)
    tensors = tuple(span[0] for span in spans)
    return WeightsHeader(tensors, details if isinstance(details, dict) else {})


_Span = tuple[Tensor, int, int]


def _parse(file: Path, header: bytes) -> dict[str, Any]:
    try:
        content = json.loads(header.decode())
    except (ValueError, RecursionError) as error:
        raise _broken(file, "has a header that is not JSON") from error
    if not isinstance(content, dict):
        raise _broken(file, "has a header that is no JSON object")
    return content


def _span(file: Path, name: str, entry: object) -> _Span:
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]  # type: ignore[index]
        known = isinstance(dtype, str) and all(type(n) is int and n >= 0 for n in (*shape, begin, end))
    except (KeyError, TypeError, ValueError):
        known = False
    if not known:
        raise _broken(file, f"describes the tensor `{name}` in no way the format knows")
    tensor = Tensor(name, dtype, tuple(shape))
    bits = BITS.get(dtype)
    if end < begin or (bits is not None and (tensor.elements * bits + 7) // 8 != end - begin):
        raise _broken(
            file, f"gives the tensor `{name}` {end - begin} bytes, which its shape and type contradict"
        )
    return tensor, begin, end


def _check_layout(file: Path, spans: list[_Span], data: int) -> None:
    if not spans:
        raise _broken(file, "holds no tensor")
    expected = 0
    for tensor, begin, end in spans:
        if begin != expected:
            what = "overlaps another" if begin < expected else "leaves a hole before it"
            raise _broken(file, f"places the tensor `{tensor.name}` so that it {what}")
        expected = end
    if expected > data:
        raise _broken(file, f"is cut off: its header promises {expected} bytes of weights, there are {data}")
    if expected < data:
        raise _broken(file, f"has {data - expected} bytes after its last tensor")


def _broken(file: Path, what: str) -> ModelError:
    return ModelError(f"`{file.name}` {what}", where=str(file), hint=AGAIN)
