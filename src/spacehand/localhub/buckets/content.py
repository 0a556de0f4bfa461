"""
What a file in a bucket holds, known by its chunks.

A Xet client fetches files as chunks out of packs. The packs of a bucket's file are kept nowhere: they are
made from the file when they are asked for, and each chunk is compared with its hash on the way. So what is
answered is what was promised, also while an app goes on writing.
"""

from __future__ import annotations

import os
import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from spacehand.localhub.store.outgoing import drop_from_cache
from spacehand.localhub.xet.chunks import HEADER_SIZE, MAX_CHUNK_SIZE, ChunkTable, Scheme, encode
from spacehand.localhub.xet.merkle import Node, chunk_hash, file_hash, to_text, xorb_hash
from spacehand.localhub.xet.shards import Term
from spacehand.localhub.xet.store import XetFile

_PACK = 512  # chunks: at most 64 MiB, as much as a xorb may hold
_BLOCK = 1024 * 1024  # bytes handed on at once, about
_COUNT = struct.Struct("<I")

Opened = Callable[[], int]  # a descriptor of the file, which is closed after use


class ChangedError(OSError):
    """The file is another than it was when its hash was told."""


class Content:
    """The chunks of one file: their sizes in bytes, and their hashes, 32 bytes each."""

    def __init__(self, sizes: array[int], hashes: bytes) -> None:
        self._sizes = sizes
        self._hashes = hashes
        self._ends = list(accumulate(sizes))

    @classmethod
    def of_chunks(cls, chunks: Iterable[Node]) -> Content:
        """Return the content that is made of *chunks*, given by hash and size."""
        sizes, hashes = array("I"), bytearray()
        for digest, size in chunks:
            sizes.append(size)
            hashes += digest
        return cls(sizes, bytes(hashes))

    @classmethod
    def read(cls, descriptor: int, size: int) -> Content:
        """Return what the first *size* bytes of an open file are, or all of it when it has become shorter."""
        return cls.of_chunks((chunk_hash(data), len(data)) for data in _even_chunks(descriptor, size))

    @classmethod
    def from_bytes(cls, data: bytes) -> Content:
        """Return what `to_bytes` made *data* of."""
        (count,) = _COUNT.unpack_from(data)
        middle = _COUNT.size + 4 * count
        return cls(array("I", data[_COUNT.size : middle]), data[middle:])

    def to_bytes(self) -> bytes:
        """Return the content as the database keeps it."""
        return _COUNT.pack(len(self._sizes)) + self._sizes.tobytes() + self._hashes

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._ends[-1] if self._ends else 0

    @property
    def hash(self) -> str:
        """The file's Xet hash."""
        return to_text(file_hash(self._nodes(0, len(self._sizes))))

    def is_all_of(self, descriptor: int) -> bool:
        """Whether an open file holds this content and no byte more."""
        return os.fstat(descriptor).st_size == self.size and self.begins(descriptor)

    def begins(self, descriptor: int) -> bool:
        """Whether an open file begins with this content."""
        try:
            for _ in self._chunks(descriptor, 0, len(self._sizes)):
                pass
        except ChangedError:
            return False
        return True

    def blocks(self, opened: Opened, start: int, end: int) -> Iterator[bytes]:
        """
        Yield the bytes *start* to *end* (exclusive) of the file, in blocks of about a MiB.

        Raises:
            ChangedError: the file does not hold them any more.
        """
        if start >= end:
            return
        first = bisect_right(self._ends, start)
        last = bisect_right(self._ends, end - 1) + 1
        before = self._ends[first - 1] if first else 0
        yield from _cut(self._from_file(opened, first, last), start - before, end - before)

    def packs(self) -> dict[str, tuple[int, ChunkTable]]:
        """Return the packs that the file is fetched in: each one's first chunk and its table, by its hash."""
        found: dict[str, tuple[int, ChunkTable]] = {}
        for first in range(0, len(self._sizes), _PACK):
            table = self._table(first)
            found.setdefault(to_text(xorb_hash(table.leaves())), (first, table))
        return found

    def described(self, xet_hash: str) -> XetFile:
        """Return the file as it is put together from its packs."""
        starts = range(0, len(self._sizes), _PACK)
        tables = (self._table(first) for first in starts)
        terms = (
            Term(xorb_hash(table.leaves()), table.size(0, len(table)), 0, len(table)) for table in tables
        )
        return XetFile(xet_hash, "", self.size, tuple(terms))

    def pack_size(self, first: int) -> int:
        """Return the stored bytes of the pack that begins with the chunk *first*."""
        return self._table(first).stored_size

    def pack_blocks(self, opened: Opened, first: int, start: int, end: int) -> Iterator[bytes]:
        """
        Yield the stored bytes *start* to *end* of the pack that begins with the chunk *first*.

        Raises:
            ChangedError: the file does not hold them any more.
        """
        last = min(first + _PACK, len(self._sizes))
        stored = (encode(data, Scheme.NONE) for data in self._from_file(opened, first, last))
        yield from _cut(stored, start, end)

    def _table(self, first: int) -> ChunkTable:
        last = min(first + _PACK, len(self._sizes))
        sizes = self._sizes[first:last]
        ends = array("I", accumulate(size + HEADER_SIZE for size in sizes))
        return ChunkTable(ends, sizes, bytearray(self._hashes[32 * first : 32 * last]))

    def _nodes(self, first: int, last: int) -> Iterator[Node]:
        for number in range(first, last):
            yield self._hashes[32 * number : 32 * number + 32], self._sizes[number]

    def _from_file(self, opened: Opened, first: int, last: int) -> Iterator[bytes]:
        descriptor = opened()
        try:
            yield from self._chunks(descriptor, first, last)
        finally:
            drop_from_cache(descriptor)
            os.close(descriptor)

    def _chunks(self, descriptor: int, first: int, last: int) -> Iterator[bytes]:
        position = self._ends[first - 1] if first else 0
        for digest, size in self._nodes(first, last):
            data = os.pread(descriptor, size, position)
            if chunk_hash(data) != digest:
                raise ChangedError("The file changed since its hash was told")
            position += size
            yield data


def _even_chunks(descriptor: int, size: int) -> Iterator[bytes]:
    position = 0
    while position < size:
        data = os.pread(descriptor, min(MAX_CHUNK_SIZE, size - position), position)
        if not data:
            return
        position += len(data)
        yield data


def _cut(pieces: Iterable[bytes], start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes *start* to *end* of *pieces* in a row, gathered to larger blocks."""
    block, position = bytearray(), 0
    for piece in pieces:
        block += piece[max(0, start - position) : end - position]
        position += len(piece)
        if len(block) >= _BLOCK:
            yield bytes(block)
            block.clear()
        if position >= end:
            break
    if block:
        yield bytes(block)
