"""A digest in the making: every value as its type, then its size, then its bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from spacehand_runtime.errors import UnkeyableError
from spacehand_runtime.key.digest import Hasher

_SMALL = 1 << 16  # bytes gathered before the digest is called

Writer = Callable[["Keying", Any], None]


class Keying:
    """A digest in the making; the writers of each type talk to it."""

    def __init__(self, make: Callable[[], Hasher], writer: Callable[[type], Writer]) -> None:
        self._make, self._writer = make, writer
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
        self._writer(type(value))(self, value)

    @contextmanager
    def within(self, container: object) -> Iterator[None]:
        """Refuse a *container* that holds itself."""
        if id(container) in self._inside:
            msg = f"A `{type_name(type(container))}` that contains itself has no key"
            raise UnkeyableError(msg)
        self._inside.add(id(container))
        try:
            yield
        finally:
            self._inside.discard(id(container))

    def apart(self, value: object) -> bytes:
        """Return the digest of *value* alone, for what has no order of its own."""
        alone = Keying(self._make, self._writer)
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


def refuse(kind: type, why: str = "is not a type whose content is known") -> UnkeyableError:
    """Return the error for an object of type *kind*."""
    return UnkeyableError(
        f"`{type_name(kind)}` {why}, so no cache key can stand for it",
        hint=f"Pass the parts that matter instead, or say once what its content is: "
        f"`register_key({kind.__qualname__}, lambda value: (...))`",
    )


def type_name(kind: type) -> str:
    """Return what a type is called, with its module."""
    return f"{kind.__module__}.{kind.__qualname__}"
