"""
One short text for all the content of some objects.

Every value is written to a digest as its type, then its size, then its bytes, so that no two different values
make the same stream. Types that are not known are refused: an ``id`` or a ``repr`` would be a guess, and a
guess is a wrong answer from the cache one day.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import functools
import os
import re
import struct
import sys
import types
import uuid
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any, TypeVar

from . import _digest
from ._errors import UnkeyableError

_VERSION = b"spacehand key 1"
_SMALL = 1 << 16  # bytes gathered before the digest is called
_CHUNK = 1 << 20
_T = TypeVar("_T")

Writer = Callable[["Keying", Any], None]


def content_key(*objects: object, secure: bool = False) -> str:
    """
    Return a key that is equal when *objects* are equal in all their content, and differs when they do not.

    All bytes count: of arrays, tables and series with their types, names, indexes and missing values; of
    files, for a path; of code, defaults and closure, for a function. How an object came about does not count:
    a copy, a slice, a concatenation or an unpickled twin has the key of the original. A dict's order counts,
    as code can see it; that of a set does not. A NaN counts by its bits, as does the sign of zero.

    The key is the same in another process and after a restart, as long as the same optional libraries and the
    same minor version of Python (for functions) are installed. With *secure*, nobody who chooses the content
    can make two contents of one key; ask for it where keys come from uploads and results are shared.

    Raises:
        UnkeyableError: an object, or one inside it, is of a type that is not known; see :func:`register_key`.
        OSError: a path cannot be read.
    """
    name, make = _digest.secure() if secure else _digest.fast()
    keying = Keying(make)
    keying.text(_VERSION)
    keying.values(objects)
    return f"{name}-{keying.digest().hex()}"


def register_key(kind: type[_T], content: Callable[[_T], object]) -> None:
    """
    Let :func:`content_key` read objects of exactly the type *kind*.

    *content* returns what makes two of them equal, out of things that can be keyed: ``lambda p: (p.x, p.y)``.
    """
    name = _type_name(kind)

    def write(keying: Keying, value: _T) -> None:
        keying.tag(f"registered {name}")
        keying.value(content(value))

    _WRITERS[kind] = write


class Keying:
    """A digest in the making; the writers of each type talk to it."""

    def __init__(self, make: Callable[[], _digest.Hasher]) -> None:
        self._make = make
        self._hasher = make()
        self._pending = bytearray()
        self._inside: set[int] = set()
        self.walked: list[object] = []  # the functions and classes around the one being written
        self.known: dict[int, tuple[object, bytes]] = {}  # those written before, by id, and their digests

    def tag(self, name: str) -> None:
        """Write the type of what follows."""
        self.text(name.encode())

    def text(self, data: bytes) -> None:
        """Write a few bytes, and how many they are."""
        self._pending += struct.pack("<q", len(data))
        self._pending += data
        if len(self._pending) > _SMALL:
            self._flush()

    def number(self, value: int) -> None:
        """Write a size."""
        self._pending += struct.pack("<q", value)

    def raw(self, buffer: Any) -> None:
        """Write a contiguous *buffer*, without copying it, and how long it is."""
        view = memoryview(buffer)
        self.number(view.nbytes)
        if view.nbytes > _SMALL:
            self._flush()
            self._hasher.update(view)
        else:
            self._pending += view.tobytes()

    def stream(self, chunks: Iterable[Any]) -> None:
        """Write *chunks* as one; where they were cut does not matter."""
        self._flush()
        size = 0
        for chunk in chunks:
            size += memoryview(chunk).nbytes
            self._hasher.update(chunk)
        self.number(size)

    def values(self, values: Iterable[object]) -> None:
        """Write how many *values* there are, and each."""
        values = list(values)
        self.number(len(values))
        for value in values:
            self.value(value)

    def value(self, value: Any) -> None:
        """Write *value* by its type."""
        _writer(type(value), value)(self, value)

    @contextmanager
    def within(self, container: object) -> Iterator[None]:
        """Refuse a *container* that holds itself."""
        if id(container) in self._inside:
            msg = f"A `{_type_name(type(container))}` that contains itself has no key"
            raise UnkeyableError(msg)
        self._inside.add(id(container))
        try:
            yield
        finally:
            self._inside.discard(id(container))

    def apart(self, value: object) -> bytes:
        """Return the digest of *value* alone, for what has no order of its own."""
        alone = Keying(self._make)
        alone._inside, alone.walked, alone.known = self._inside, self.walked, self.known  # the same walk
        alone.value(value)
        return alone.digest()

    def digest(self) -> bytes:
        """Return the digest of all that was written."""
        self._flush()
        return self._hasher.digest()

    def _flush(self) -> None:
        if self._pending:
            self._hasher.update(bytes(self._pending))
            self._pending.clear()


def _blake2b() -> _digest.Hasher:
    return _digest._blake2b()  # noqa: SLF001


def refuse(kind: type, why: str = "is not a type whose content is known") -> UnkeyableError:
    """Return the error for an object of type *kind*."""
    return UnkeyableError(
        f"`{_type_name(kind)}` {why}, so no cache key can stand for it",
        hint=f"Pass the parts that matter instead, or say once what its content is: "
        f"`register_key({kind.__qualname__}, lambda value: (...))`",
    )


def _type_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _writer(kind: type, value: Any) -> Writer:
    """Return the writer for exactly *kind*: a subclass may hold more than its base, so it has no writer."""
    if writer := _WRITERS.get(kind):
        return writer
    for library, module in _LIBRARIES.items():
        # Noticed, not imported: an object of a library comes with the library.
        if library in sys.modules and kind.__module__.partition(".")[0] == library:
            import_module(module, __package__).register(_WRITERS)
            if writer := _WRITERS.get(kind) or import_module(module, __package__).writer(kind):
                return writer
    if kind.__module__ == "zoneinfo" and kind.__qualname__ == "ZoneInfo":  # slow to import, so only noticed
        return _zone
    for base, inherited in _BASES:
        if issubclass(kind, base):
            return inherited
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _named_tuple
    if is_dataclass(value) and not isinstance(value, type):
        return _dataclass
    raise refuse(kind)


_LIBRARIES = {"numpy": "._key_numpy", "pandas": "._key_pandas", "pyarrow": "._key_arrow"}


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
    keying.tag(f"namedtuple {_type_name(type(value))}")
    keying.value(tuple(value._fields))
    keying.values(value)


def _dataclass(keying: Keying, value: Any) -> None:
    keying.tag(f"dataclass {_type_name(type(value))}")
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
    keying.tag(f"enum {_type_name(type(value))}")
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


def _code(keying: Keying, value: Any) -> None:
    import_module("._key_function", __package__).write(keying, value)


_WRITERS: dict[type, Writer] = {
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
    types.FunctionType: _code,
    types.MethodType: _code,
    types.BuiltinFunctionType: _code,
    types.CodeType: _code,
    types.ModuleType: _code,
    functools.partial: _code,
    type: _code,
}

_BASES: tuple[tuple[type, Writer], ...] = ((enum.Enum, _enum), (PurePath, _path), (type, _code))
