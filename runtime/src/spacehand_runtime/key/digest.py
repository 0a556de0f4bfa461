"""Checksums: the fastest one that is installed, and one that withstands people who choose the input."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Protocol


class Hasher(Protocol):
    """What hashlib, xxhash and blake3 objects have in common."""

    def update(self, data: Any, /) -> object: ...

    def digest(self) -> bytes: ...


@cache
def fast() -> tuple[str, Callable[[], Hasher]]:
    """Return name and maker of a checksum against accidents: ``xxh3`` where installed, else ``blake2b``."""
    try:
        return "xxh3", import_module("xxhash").xxh3_128
    except ImportError:
        return "blake2b", _blake2b


@cache
def secure() -> tuple[str, Callable[[], Hasher]]:
    """Return name and maker of a digest against attackers: ``blake3`` where installed, else ``blake2b``."""
    try:
        return "blake3", import_module("blake3").blake3
    except ImportError:
        return "blake2b", _blake2b


@cache
def for_files() -> tuple[str, Callable[[], Hasher]]:
    """Return the name and maker of the checksum that new files get."""
    # sha256, because processors have it built in and it then beats blake2b by far.
    name, make = fast()
    return (name, make) if name == "xxh3" else ("sha256", hashlib.sha256)


def of_files(name: str) -> Callable[[], Hasher] | None:
    """Return the maker of the checksum a file was written with; None where it is not to be had here."""
    if name == "sha256":
        return hashlib.sha256
    here, make = fast()
    return make if here == name else None


def _blake2b() -> Hasher:
    return hashlib.blake2b(digest_size=32)
