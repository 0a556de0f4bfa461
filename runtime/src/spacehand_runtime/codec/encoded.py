"""
Results as a tree of plain values beside a list of buffers, and back, without pickle.

Decoding builds new containers each time, and arrays that look into the buffers and cannot be written to: what
one caller does to a result never reaches another.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from spacehand_runtime.errors import UncacheableError

Tree = Any  # None, bool, int, float, str, a list of trees, or {"$": kind, ...}


class Encoded(NamedTuple):
    """A result, taken apart: *tree* is JSON, *buffers* are contiguous bytes."""

    tree: Tree
    buffers: list[Any]


class _Buffers(list[Any]):
    """The buffers of a result, and what to do with parts that no codec knows."""

    def __init__(self, fallback: Fallback | None) -> None:
        super().__init__()
        self.fallback = fallback


class CorruptError(Exception):
    """These bytes are not what an encoder wrote."""


class Fallback(Protocol):
    """What takes apart a value that no codec knows."""

    def encode(self, value: object, buffers: list[Any]) -> Tree: ...


def encode(value: object, fallback: Fallback | None = None) -> Encoded:
    """
    Take *value* apart. The buffers still belong to it: copy them before it can change.

    Raises:
        UncacheableError: no codec, nor the *fallback*, knows its type, or that of something inside.
    """
    buffers = _Buffers(fallback)
    try:
        return Encoded(_encode(value, buffers), buffers)
    except RecursionError:
        raise uncacheable(type(value), "is nested too deeply") from None


def decode(tree: Tree, buffers: Sequence[memoryview]) -> Any:
    """
    Put a value together again.

    Raises:
        CorruptError: the tree names a codec, or a type, that no encoder would have written.
    """
    kind = type(tree)
    if kind is list:
        return [decode(item, buffers) for item in tree]
    if kind is not dict:
        return tree
    decoder = _DECODERS.get(tree.get("$"))
    if decoder is None:
        library = str(tree.get("$")).partition(".")[0]
        if library not in _LIBRARIES:
            raise CorruptError(f"No codec is called `{tree.get('$')}`")
        decoder = import_module(_LIBRARIES[library]).DECODERS[tree["$"]]
    return decoder(tree, buffers)


def keep(buffers: list[Any], buffer: Any) -> int:
    """Add a *buffer* to those of the result, and return its number."""
    buffers.append(buffer)
    return len(buffers) - 1


def uncacheable(kind: type, why: str = "has no codec") -> UncacheableError:
    """Return the error for a result of type *kind*."""
    name = f"{kind.__module__}.{kind.__qualname__}"
    return UncacheableError(
        f"A result of type `{name}` {why}, so it cannot be cached",
        hint="Return plain values, arrays, frames, Arrow tables, images or figures, or set `pickle_key=`",
    )


_LIBRARIES = {
    "numpy": "spacehand_runtime.codec.numpy",
    "pandas": "spacehand_runtime.codec.pandas",
    "pyarrow": "spacehand_runtime.codec.arrow",
    "PIL": "spacehand_runtime.codec.image",
    "plotly": "spacehand_runtime.codec.figure",
    "matplotlib": "spacehand_runtime.codec.figure",
}
_LONG = 10**4000
_PLAIN = (type(None), bool, int, float, str)


def _encode(value: Any, buffers: list[Any]) -> Tree:
    kind = type(value)
    if kind is int and not -_LONG < value < _LONG:
        return {"$": "int", "hex": hex(value)}  # Python writes no long number in decimal
    if kind in _PLAIN:
        return value
    if kind is list:
        return [_encode(item, buffers) for item in value]
    if kind in (tuple, set, frozenset):
        return {"$": kind.__name__, "items": [_encode(item, buffers) for item in value]}
    if kind is dict:
        return {"$": "dict", "items": [[_encode(k, buffers), _encode(v, buffers)] for k, v in value.items()]}
    if kind in (bytes, bytearray):
        return {"$": kind.__name__, "at": keep(buffers, value)}
    mark = len(buffers)
    try:
        return _by_library(value, buffers)
    except UncacheableError:
        fallback: Fallback | None = getattr(buffers, "fallback", None)
        if fallback is None:
            raise
        del buffers[mark:]  # of the parts that went well
        return fallback.encode(value, buffers)


def _by_library(value: Any, buffers: list[Any]) -> Tree:
    library = type(value).__module__.partition(".")[0]
    if library not in _LIBRARIES or library not in sys.modules:
        raise uncacheable(type(value))
    tree: Tree = import_module(_LIBRARIES[library]).encode(value, buffers, _encode)
    return tree


def _unsealed(tree: Tree, buffers: Sequence[memoryview]) -> Any:
    return import_module("spacehand_runtime.codec.signed").decode(tree, buffers)


def _items(make: Callable[[list[Any]], Any]) -> Callable[[Any, Sequence[memoryview]], Any]:
    return lambda tree, buffers: make([decode(item, buffers) for item in tree["items"]])


_DECODERS: dict[str, Callable[[Any, Sequence[memoryview]], Any]] = {
    "int": lambda tree, _buffers: int(tree["hex"], 16),
    "tuple": _items(tuple),
    "set": _items(set),
    "frozenset": _items(frozenset),
    "dict": lambda tree, buffers: {decode(k, buffers): decode(v, buffers) for k, v in tree["items"]},
    "bytes": lambda tree, buffers: bytes(buffers[tree["at"]]),
    "bytearray": lambda tree, buffers: bytearray(buffers[tree["at"]]),
    "pickle": _unsealed,
}
