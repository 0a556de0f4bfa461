"""
The header of a CTranslate2 ``model.bin``.

The file is: version (u32), specification (string), its revision (u32), number of variables (u32), of each
variable its name, rank (u8), dimensions (u32 each), type (u8), size in bytes (u32) and content; then aliases.
A string is its length with the closing zero (u16), then its bytes. All little-endian.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from spacehand.errors import ModelError
from spacehand.model.tensor import AGAIN, Tensor, WeightsHeader, refuse_pointer

_VERSIONS = range(4, 7)  # before 4 the type of a variable was not written
_TYPES = ("F32", "I8", "I16", "I32", "F16", "BF16")
_MOST_VARIABLES = 1_000_000
_MOST_DIMENSIONS = 16


class _EndOfFileError(Exception):
    pass


def looks_like(file: Path) -> bool:
    """Whether *file* begins as a CTranslate2 model does: a small version and a specification's name."""
    try:
        with file.open("rb") as stream:
            version = _number(stream, "<I")
            return 1 <= version <= 64 and _text(stream).isidentifier()
    except (_EndOfFileError, UnicodeDecodeError):
        return False


def read(file: Path) -> WeightsHeader:
    """
    Return the variables of *file* and, in `details`, ``specification``, ``revision`` and ``binary_version``.

    Raises:
        ModelError: *file* is no CTranslate2 model, is cut off, or has a layout this version does not know.
    """
    refuse_pointer(file)
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            return _read(file, stream, size)
    except (_EndOfFileError, UnicodeDecodeError) as error:
        raise ModelError(
            f"`{file.name}` is cut off, or no CTranslate2 model", where=str(file), hint=AGAIN
        ) from error


def _read(file: Path, stream: BinaryIO, size: int) -> WeightsHeader:
    version, specification = _number(stream, "<I"), _text(stream)
    if version not in _VERSIONS or not specification.isidentifier():
        raise ModelError(
            f"`{file.name}` is no CTranslate2 model of a known version ({_VERSIONS[0]} to {_VERSIONS[-1]})",
            where=str(file),
            hint="Convert the model again with a current `ct2-transformers-converter`",
        )
    revision, count = _number(stream, "<I"), _number(stream, "<I")
    if count > _MOST_VARIABLES:
        raise _EndOfFileError
    tensors = tuple(_variable(stream, size) for _ in range(count))
    for _ in range(_number(stream, "<I")):
        _text(stream), _text(stream)
    if not tensors or stream.tell() != size:
        raise _EndOfFileError
    details = {"specification": specification, "revision": revision, "binary_version": version}
    return WeightsHeader(tensors, details)


def _variable(stream: BinaryIO, size: int) -> Tensor:
    name, rank = _text(stream), _number(stream, "<B")
    if rank > _MOST_DIMENSIONS:
        raise _EndOfFileError
    shape = tuple(_number(stream, "<I") for _ in range(rank))
    kind, length = _number(stream, "<B"), _number(stream, "<I")
    if kind >= len(_TYPES) or stream.tell() + length > size:
        raise _EndOfFileError
    stream.seek(length, 1)
    return Tensor(name, _TYPES[kind], shape)


def _number(stream: BinaryIO, layout: str) -> int:
    (number,) = struct.unpack(layout, _bytes(stream, struct.calcsize(layout)))
    return int(number)


def _text(stream: BinaryIO) -> str:
    return _bytes(stream, _number(stream, "<H")).rstrip(b"\0").decode()


def _bytes(stream: BinaryIO, count: int) -> bytes:
    content = stream.read(count)
    if len(content) != count:
        raise _EndOfFileError
    return content
