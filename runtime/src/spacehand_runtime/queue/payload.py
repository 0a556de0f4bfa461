"""An object on its way between two processes: small ones as bytes, big ones in memory that both can map."""

from __future__ import annotations

import io
import mmap
import os
import pickle
import tempfile
from collections.abc import Callable
from typing import Any

_INLINE = 1 << 16  # bytes; up to here, copying through a socket is cheaper than mapping
_ASIDE = 1 << 12  # bytes; smaller buffers stay inside the pickle
_PIECE = 1 << 30  # bytes for one call; macOS refuses 2 GiB and more
_ALIGNED = 64  # bytes; arrays that start elsewhere are slow to compute with

FindClass = Callable[[str, str], Any]


class Descriptor:
    """An open file that is closed when nobody refers to it any more."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.close(self.number)


class Payload:
    """
    One pickled object: its parts one after the other, in *data* or in the memory behind *memory*.

    Each :meth:`load` gives an object of its own. The buffers of big arrays are mapped and not copied: they
    are the caller's to write to, and a page is copied when it is first written.
    """

    __slots__ = ("data", "memory", "sizes")

    def __init__(self, sizes: tuple[int, ...], data: bytes | None, memory: Descriptor | None) -> None:
        self.sizes, self.data, self.memory = sizes, data, memory

    @classmethod
    def of(cls, value: object, dumps: Callable[..., bytes] = pickle.dumps) -> Payload:
        """
        Return *value*, pickled by *dumps*.

        Raises:
            Exception: whatever the parts of *value* raise when they cannot be pickled.
        """
        aside: list[pickle.PickleBuffer] = []

        def keep(buffer: pickle.PickleBuffer) -> bool:
            if buffer.raw().nbytes < _ASIDE:
                return True  # inside the pickle
            aside.append(buffer)
            return False

        head = dumps(value, protocol=5, buffer_callback=keep)
        parts = [memoryview(head), *(buffer.raw() for buffer in aside)]
        sizes = tuple(part.nbytes for part in parts)
        if sum(sizes) <= _INLINE:
            return cls(sizes, b"".join(_padded(parts)), None)
        return cls(sizes, None, _written(parts))

    @property
    def bytes(self) -> int:
        """How much memory it takes."""
        return sum(self.sizes)

    def load(self, find_class: FindClass | None = None) -> Any:
        """Return the object, made anew; *find_class* looks up its classes and functions."""
        whole = self._whole()
        views, start = [], 0
        for size in self.sizes:
            views.append(whole[start : start + size])
            start += size + -size % _ALIGNED
        if find_class is None:
            return pickle.loads(views[0], buffers=views[1:])  # noqa: S301 - from a process of our own
        unpickler = _Unpickler(io.BytesIO(views[0]), buffers=views[1:])
        unpickler.look_up = find_class
        return unpickler.load()

    def _whole(self) -> memoryview:
        if self.memory is None:
            return memoryview(bytearray(self.data or b""))
        return memoryview(mmap.mmap(self.memory.number, 0, access=mmap.ACCESS_COPY))


class _Unpickler(pickle.Unpickler):
    look_up: FindClass

    def find_class(self, module: str, name: str, /) -> Any:
        if module in ("__main__", "__mp_main__"):
            return self.look_up(module, name)
        return super().find_class(module, name)


def _padded(parts: list[memoryview]) -> list[memoryview]:
    return [piece for part in parts for piece in (part, memoryview(bytes(-part.nbytes % _ALIGNED)))]


def _written(parts: list[memoryview]) -> Descriptor:
    """Return memory without a name that holds *parts*: it goes when the last process lets go of it."""
    if hasattr(os, "memfd_create"):
        memory = Descriptor(os.memfd_create("spacehand-payload"))
    else:
        with tempfile.TemporaryFile() as file:
            memory = Descriptor(os.dup(file.fileno()))
    for part in _padded(parts):
        view = part.cast("B") if part.nbytes else part
        while view.nbytes:
            view = view[os.write(memory.number, view[:_PIECE]) :]
    return memory
