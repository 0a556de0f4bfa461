"""Keys of the standard library's types: numbers, texts, containers, dates, paths."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import os
import re
import struct
import types
import uuid
from array import array
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path, PurePath
from typing import Any

from spacehand_runtime.key.keying import Keying, Writer, refuse, type_name

_CHUNK = 1 << 20


def writer(kind: type) -> Writer | None:
    """Return the writer of a type that is known by what it is derived from."""
    if kind.__module__ == "zoneinfo" and kind.__qualname__ == "ZoneInfo":  # slow to import, so only noticed
        return _zone
    if issubclass(kind, enum.Enum):
        return _enum
    if issubclass(kind, PurePath):
        return _path
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _named_tuple
    return _dataclass if is_dataclass(kind) else None


def _repr(tag: str) -> Writer:
    """Return a writer for types whose ``repr`` is their whole content."""

    def write(keying: Keying, value: Any) -> None:
        keying.tag(tag)
        keying.text(repr(value).encode("utf-8", "surrogatepass"))

    return write


def _nothing(keying: Keying, _value: None) -> None:
    keying.tag("None")


def _int(keying: Keying, value: int) -> None:
    keying.tag("int")
    keying.text(value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))


def _float(keying: Keying, value: float) -> None:
    keying.tag("float")
    keying.text(struct.pack("<d", value))


def _complex(keying: Keying, value: complex) -> None:
    keying.tag("complex")
    keying.text(struct.pack("<dd", value.real, value.imag))


def _str(keying: Keying, value: str) -> None:
    keying.tag("str")
    keying.raw(value.encode("utf-8", "surrogatepass"))


def _bytes(keying: Keying, value: bytes | bytearray) -> None:
    keying.tag(type(value).__name__)
    keying.raw(value)


def _memoryview(keying: Keying, value: memoryview) -> None:
    keying.tag("memoryview")
    keying.value((value.format, value.shape))
    keying.raw(value if value.c_contiguous else value.tobytes())


def _array(keying: Keying, value: array[Any]) -> None:
    keying.tag("array")
    keying.text(value.typecode.encode())
    keying.raw(value)


def _sequence(keying: Keying, value: Iterable[object]) -> None:
    keying.tag(type(value).__name__)
    with keying.within(value):
        keying.values(value)


def _deque(keying: Keying, value: deque[Any]) -> None:
    keying.tag("deque")
    keying.value(value.maxlen)
    with keying.within(value):
        keying.values(value)


def _mapping(keying: Keying, value: dict[Any, Any]) -> None:
    keying.tag(type(value).__name__)
    keying.number(len(value))
    with keying.within(value):
        for name, item in value.items():
            keying.value(name)
            keying.value(item)


def _set(keying: Keying, value: set[Any] | frozenset[Any]) -> None:
    keying.tag(type(value).__name__)
    keying.number(len(value))
    for digest in sorted(keying.apart(item) for item in value):
        keying.text(digest)


def _named_tuple(keying: Keying, value: Any) -> None:
    keying.tag(f"namedtuple {type_name(type(value))}")
    keying.value(tuple(value._fields))
    keying.values(value)


def _dataclass(keying: Keying, value: Any) -> None:
    keying.tag(f"dataclass {type_name(type(value))}")
    names = [field.name for field in fields(value)]
    with keying.within(value):
        keying.value(names)
        keying.values(getattr(value, name) for name in names)


def _datetime(keying: Keying, value: dt.datetime) -> None:
    keying.tag("datetime")
    keying.text(value.replace(tzinfo=None).isoformat().encode())
    keying.number(value.fold)
    keying.value(value.tzinfo)


def _time(keying: Keying, value: dt.time) -> None:
    keying.tag("time")
    keying.text(value.replace(tzinfo=None).isoformat().encode())
    keying.number(value.fold)
    keying.value(value.tzinfo)


def _zone(keying: Keying, value: Any) -> None:
    if value.key is None:
        raise refuse(type(value), "without a name")
    keying.tag("ZoneInfo")
    keying.text(value.key.encode())


def _pattern(keying: Keying, value: re.Pattern[Any]) -> None:
    keying.tag("pattern")
    keying.value(value.pattern)
    keying.number(value.flags)


def _enum(keying: Keying, value: enum.Enum) -> None:
    keying.tag(f"enum {type_name(type(value))}")
    keying.value(value.name)  # of a combined flag: "READ|WRITE", or None for what has no name
    keying.value(value.value)


def _path(keying: Keying, value: PurePath) -> None:
    """Write a file's bytes, or a folder's files in the order of their names; not where they lie."""
    path = Path(value)
    if not path.is_dir():
        keying.tag("file")
        keying.stream(_chunks(path))
        return
    keying.tag("folder")
    entries = sorted(path.rglob("*"))
    keying.number(len(entries))
    for entry in entries:
        keying.text(os.fsencode(entry.relative_to(path)))
        if entry.is_symlink() and entry.is_dir():
            keying.tag("link")  # never followed: it may lead back up
            keying.text(os.fsencode(entry.readlink()))
        elif entry.is_dir():
            keying.tag("inner folder")
        else:
            keying.tag("file")
            keying.stream(_chunks(entry))


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


WRITERS: dict[type, Writer] = {
    type(None): _nothing,
    bool: _repr("bool"),
    int: _int,
    float: _float,
    complex: _complex,
    str: _str,
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _memoryview,
    array: _array,
    list: _sequence,
    tuple: _sequence,
    dict: _mapping,
    OrderedDict: _mapping,
    types.MappingProxyType: lambda keying, value: _mapping(keying, dict(value)),
    set: _set,
    frozenset: _set,
    deque: _deque,
    range: _repr("range"),
    slice: lambda keying, value: keying.value(("slice", value.start, value.stop, value.step)),
    type(...): _repr("ellipsis"),
    type(NotImplemented): _repr("NotImplemented"),
    dt.date: _repr("date"),
    dt.datetime: _datetime,
    dt.time: _time,
    dt.timedelta: _repr("timedelta"),
    dt.timezone: _repr("timezone"),
    decimal.Decimal: _repr("Decimal"),
    fractions.Fraction: _repr("Fraction"),
    uuid.UUID: _repr("UUID"),
    re.Pattern: _pattern,
}
