"""
What an ONNX file says: opset, producer, and its initializers.

An ONNX file is one protobuf message; only the fields named below are looked at, everything else is stepped
over, so that a model of any size costs as many page reads as it has nodes.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from spacehand.errors import ModelError
from spacehand.model.tensor import AGAIN, Tensor, WeightsHeader, refuse_pointer

# Field numbers of onnx.proto.
_MODEL_PRODUCER, _MODEL_GRAPH, _MODEL_OPSET = 2, 7, 8
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_GRAPH_INITIALIZER = 5
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_EXTERNAL = 1, 2, 8, 13
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_TYPES = {
    1: "F32", 2: "U8", 3: "I8", 4: "U16", 5: "I16", 6: "I32", 7: "I64", 9: "BOOL", 10: "F16", 11: "F64",
    12: "U32", 13: "U64", 14: "C64", 16: "BF16", 17: "F8_E4M3", 19: "F8_E5M2", 21: "U4", 22: "I4", 23: "F4",
}  # fmt: skip

_Field = tuple[int, int | tuple[int, int]]  # number, and a value or the place of bytes


class _MalformedError(Exception):
    pass


def read(file: Path) -> WeightsHeader:
    """
    Return the initializers of *file* and, in `details`, ``opset`` and ``producer`` where they are told.

    Raises:
        ModelError: *file* is no ONNX model, is cut off, or lacks a file it keeps its weights in.
    """
    refuse_pointer(file)
    try:
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _Reader(file, content).model()
    except (_MalformedError, IndexError, UnicodeDecodeError, ValueError) as error:
        raise ModelError(
            f"`{file.name}` is cut off, or no ONNX model", where=str(file), hint=AGAIN
        ) from error


class _Reader:
    def __init__(self, file: Path, content: mmap.mmap) -> None:
        self.file = file
        self.content = content
        self.companions: dict[Path, None] = {}

    def model(self) -> WeightsHeader:
        details: dict[str, object] = {}
        tensors: tuple[Tensor, ...] | None = None
        for number, value in self.fields(0, len(self.content)):
            if number == _MODEL_PRODUCER:
                details["producer"] = self.text(value)
            elif number == _MODEL_OPSET:
                domain, version = self.opset(value)
                if domain in ("", "ai.onnx"):
                    details["opset"] = version
            elif number == _MODEL_GRAPH:
                tensors = tuple(self.initializers(value))
        if tensors is None or "opset" not in details:
            raise _MalformedError
        return WeightsHeader(tensors, details, tuple(self.companions))

    def opset(self, place: int | tuple[int, int]) -> tuple[str, int]:
        domain, version = "", 0
        for number, value in self.fields(*_place(place)):
            if number == _OPSET_DOMAIN:
                domain = self.text(value)
            elif number == _OPSET_VERSION and isinstance(value, int):
                version = value
        return domain, version

    def initializers(self, graph: int | tuple[int, int]) -> Iterator[Tensor]:
        for number, value in self.fields(*_place(graph)):
            if number == _GRAPH_INITIALIZER:
                yield self.tensor(value)

    def tensor(self, place: int | tuple[int, int]) -> Tensor:
        name, kind, shape = "", 0, list[int]()
        for number, value in self.fields(*_place(place)):
            if number == _TENSOR_DIMS:
                shape += [value] if isinstance(value, int) else self.packed(*value)
            elif number == _TENSOR_TYPE and isinstance(value, int):
                kind = value
            elif number == _TENSOR_NAME:
                name = self.text(value)
            elif number == _TENSOR_EXTERNAL:
                self.external(value)
        return Tensor(name, _TYPES.get(kind, f"type {kind}"), tuple(shape))

    def external(self, entry: int | tuple[int, int]) -> None:
        said = {number: self.text(value) for number, value in self.fields(*_place(entry))}
        if said.get(_ENTRY_KEY) != "location":
            return
        location = PurePosixPath(said.get(_ENTRY_VALUE, ""))
        if location.is_absolute() or ".." in location.parts:
            raise ModelError(
                f"`{self.file.name}` keeps weights outside its folder, in `{location}`",
                where=str(self.file),
                hint="Save the model with its external data beside it",
            )
        companion = self.file.parent / location
        if not companion.is_file():
            raise ModelError(
                f"`{self.file.name}` keeps weights in `{location}`, which is not there",
                where=str(self.file),
                hint=f"Copy `{location}` beside it",
            )
        self.companions[companion] = None

    def fields(self, start: int, end: int) -> Iterator[_Field]:
        """Yield the fields of the message between *start* and *end*."""
        while start < end:
            key, start = self.varint(start)
            number, wire = key >> 3, key & 7
            value: int | tuple[int, int]
            if wire == 0:
                value, start = self.varint(start)
            elif wire == 2:
                length, start = self.varint(start)
                value, start = (start, start + length), start + length
            elif wire in (1, 5):
                length = 8 if wire == 1 else 4
                value, start = (start, start + length), start + length
            else:
                raise _MalformedError
            if number == 0 or start > end:
                raise _MalformedError
            yield number, value

    def varint(self, start: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.content[start]
            start += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, start
        raise _MalformedError

    def packed(self, start: int, end: int) -> list[int]:
        numbers = []
        while start < end:
            number, start = self.varint(start)
            numbers.append(number)
        return numbers

    def text(self, place: int | tuple[int, int]) -> str:
        start, end = _place(place)
        return self.content[start:end].decode()


def _place(value: int | tuple[int, int]) -> tuple[int, int]:
    if isinstance(value, int):
        raise _MalformedError
    return value
