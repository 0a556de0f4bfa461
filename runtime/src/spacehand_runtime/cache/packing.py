"""Compression of what lies on disk: zstd where it is installed, zlib otherwise."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

_SMALL = 1 << 10  # bytes that are not worth it


class Packed(NamedTuple):
    """A compressed buffer: by what, how many bytes it was, and its bytes now."""

    method: str
    size: int
    data: Any


def pack(buffer: memoryview) -> Packed | None:
    """Return *buffer* compressed; None if it would not get smaller."""
    if buffer.nbytes < _SMALL:
        return None
    method, compress, _ = _best()
    data = compress(buffer)
    return Packed(method, buffer.nbytes, data) if len(data) < buffer.nbytes else None


def unpack(packed: Packed) -> memoryview:
    """
    Return what :func:`pack` was given, never more than its bytes.

    Raises:
        ValueError: it was packed by something that is not installed here, or is something else.
    """
    ways = {"zlib": _unzlib} | ({_best()[0]: _best()[2]})
    if packed.method not in ways:
        raise ValueError(f"`{packed.method}` is not installed here")
    data = ways[packed.method](packed.data, packed.size)
    if len(data) != packed.size:
        raise ValueError("Not as long as it was")
    return memoryview(data)


@cache
def _best() -> tuple[str, Callable[[Any], bytes], Callable[[Any, int], bytes]]:
    try:
        zstandard = import_module("zstandard")
    except ImportError:
        return _from_the_standard_library()

    def decompress(data: Any, size: int) -> bytes:
        try:
            unpacked: bytes = zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
        return unpacked

    return "zstd", lambda data: zstandard.ZstdCompressor(level=3).compress(data), decompress


def _from_the_standard_library() -> tuple[str, Callable[[Any], bytes], Callable[[Any, int], bytes]]:
    try:
        zstd: Any = import_module("compression.zstd")  # Python 3.14
    except ImportError:
        return "zlib", lambda data: zlib.compress(data, 1), _unzlib

    def decompress(data: Any, size: int) -> bytes:
        try:
            unpacked: bytes = zstd.ZstdDecompressor().decompress(data, size)
        except zstd.ZstdError as error:
            raise ValueError(str(error)) from error
        return unpacked

    return "zstd", lambda data: bytes(zstd.compress(data, 3)), decompress


def _unzlib(data: Any, size: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, size)
    except zlib.error as error:
        raise ValueError(str(error)) from error
