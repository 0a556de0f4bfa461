"""
The chunks of a xorb: each an 8-byte header and a payload.

    version u8 = 0 | stored size u24 | scheme u8 | size u24      (little-endian)

A xorb is up to 8,192 of them in a row, 64 MiB before compression. Clients may append a footer
that begins with ``XETBLOB``; it says nothing that the chunks do not say.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

import lz4.frame

from spacehand.localhub.errors import HubError
from spacehand.localhub.xet.merkle import chunk_hash

HEADER_SIZE = 8
MAX_CHUNK_SIZE = 128 * 1024  # bytes before compression
MAX_XORB_SIZE = 64 * 1024 * 1024  # bytes before compression
MAX_CHUNKS = 8192
# A payload that gained nothing by compression is a little larger than its content, never twice as large.
MAX_PAYLOAD_SIZE = 2 * MAX_CHUNK_SIZE
MAX_STORED_SIZE = MAX_XORB_SIZE + MAX_CHUNKS * 256

_FOOTER = b"XETBLOB"
Content = bytes | bytearray | memoryview

_COUNT = struct.Struct("<I")


class Scheme(IntEnum):
    """How a chunk's payload is compressed."""

    NONE = 0
    LZ4 = 1
    BYTES4_LZ4 = 2  # the first bytes of all 4-byte groups, then the second ones …: good for weights


@dataclass(slots=True)
class ChunkTable:
    """
    Where the chunks of a xorb lie, and what is in them.

    *ends*: offset behind each stored chunk; *sizes*: bytes before compression; *hashes*: 32 bytes each.
    """

    ends: array[int] = field(default_factory=lambda: array("I"))
    sizes: array[int] = field(default_factory=lambda: array("I"))
    hashes: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def stored_size(self) -> int:
        """Bytes of all chunks with their headers."""
        return self.ends[-1] if self.ends else 0

    def stored_range(self, start: int, end: int) -> tuple[int, int]:
        """Return the offsets in the xorb of the chunks *start* to *end* (exclusive)."""
        return (self.ends[start - 1] if start else 0), self.ends[end - 1]

    def size(self, start: int, end: int) -> int:
        """Return the bytes before compression of the chunks *start* to *end* (exclusive)."""
        return sum(self.sizes[start:end])

    def hash(self, number: int) -> bytes:
        return bytes(self.hashes[32 * number : 32 * number + 32])

    def leaves(self, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int]]:
        """Yield hash and size of the chunks *start* to *end* (exclusive)."""
        for number in range(start, len(self) if end is None else end):
            yield self.hash(number), self.sizes[number]

    def to_bytes(self) -> bytes:
        """Return the table as the database keeps it."""
        return _COUNT.pack(len(self)) + self.ends.tobytes() + self.sizes.tobytes() + bytes(self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> ChunkTable:
        (count,) = _COUNT.unpack_from(data)
        middle, last = 4 + 4 * count, 4 + 8 * count
        return cls(array("I", data[4:middle]), array("I", data[middle:last]), bytearray(data[last:]))


class XorbReader:
    """
    Takes a xorb apart while it arrives: every chunk is decompressed, measured and hashed.

    *keep* is handed the bytes of whole, good chunks; a footer is dropped.
    """

    def __init__(self, keep: Callable[[memoryview], None]) -> None:
        self._keep = keep
        self._decode = Decoder()
        self._rest = b""
        self._in_footer = False
        self._size = 0
        self.table = ChunkTable()

    def write(self, data: bytes) -> None:
        """
        Take the next bytes.

        Raises:
            HubError: 400, this is no xorb, or too large.
        """
        if self._in_footer:
            return
        data = self._rest + data if self._rest else data
        view = memoryview(data)
        position = 0
        while (chunk := self._chunk_at(view, position)) is not None:
            position += HEADER_SIZE + len(chunk.payload)
            self._add(chunk)
        self._keep(view[:position])
        self._rest = data[position:]
        if self._rest and self._rest[0] == _FOOTER[0]:
            self._enter_footer()

    def finish(self) -> ChunkTable:
        """
        Return the table of all chunks.

        Raises:
            HubError: 400, the last chunk is cut off, or there is none.
        """
        if not self._in_footer and self._rest:
            raise HubError(400, "The xorb ends in the middle of a chunk")
        if not len(self.table):
            raise HubError(400, "The xorb is empty")
        return self.table

    def _chunk_at(self, view: memoryview, position: int) -> _Chunk | None:
        """Return the chunk at *position*, or None when it has not arrived whole."""
        if len(view) - position < HEADER_SIZE or view[position] == _FOOTER[0]:
            return None
        chunk = _parse_header(view[position : position + HEADER_SIZE])
        end = position + HEADER_SIZE + chunk.stored_size
        if end > len(view):
            return None
        chunk.payload = view[position + HEADER_SIZE : end]
        return chunk

    def _add(self, chunk: _Chunk) -> None:
        table = self.table
        self._size += chunk.size
        if len(table) == MAX_CHUNKS or self._size > MAX_XORB_SIZE:
            raise HubError(400, "The xorb is larger than 64 MiB or has more than 8192 chunks")
        content = self._decode(chunk.scheme, chunk.payload, chunk.size)
        table.hashes += chunk_hash(content)
        table.ends.append(table.stored_size + HEADER_SIZE + len(chunk.payload))
        table.sizes.append(chunk.size)

    def _enter_footer(self) -> None:
        start = self._rest[: len(_FOOTER)]
        if not _FOOTER.startswith(start):
            raise HubError(400, "The xorb holds something that is neither chunk nor footer")
        self._in_footer = len(start) == len(_FOOTER)


class Decoder:
    """Gives back the content of chunks, one after the other; not for two threads at once."""

    def __init__(self) -> None:
        # One decompressor for all chunks: three times as fast as one for each.
        self._lz4 = lz4.frame.LZ4FrameDecompressor()

    def __call__(self, scheme: Scheme, payload: bytes | memoryview, size: int) -> Content:
        """
        Return the *size* bytes that *payload* holds.

        Raises:
            HubError: 400, it does not hold them.
        """
        if scheme is Scheme.NONE:
            content: Content = payload
        else:
            content = self._decompress(payload, size)
        if len(content) != size:
            raise HubError(400, f"A chunk holds {len(content)} bytes where its header says {size}")
        return _unsplit(content) if scheme is Scheme.BYTES4_LZ4 else content

    def all(self, data: memoryview) -> Iterator[Content]:
        """Yield the content of each chunk in *data*, which was found good before."""
        position = 0
        while position < len(data):
            start = position + HEADER_SIZE
            chunk = _parse_header(data[position:start])
            position = start + chunk.stored_size
            yield self(chunk.scheme, data[start:position], chunk.size)

    def _decompress(self, payload: bytes | memoryview, size: int) -> bytes:
        self._lz4.reset()
        try:
            # One byte more than promised is enough to know a lie; a bomb is never blown up.
            content: bytes = self._lz4.decompress(payload, max_length=size + 1)
        except (RuntimeError, EOFError) as error:
            raise HubError(400, "A chunk cannot be decompressed") from error
        if not self._lz4.eof or self._lz4.unused_data:
            raise HubError(400, "A chunk is not one whole LZ4 frame of the size its header says")
        return content


def encode(content: bytes, scheme: Scheme) -> bytes:
    """Return *content* as a stored chunk."""
    payload = content
    if scheme is not Scheme.NONE:
        plain = _split(content) if scheme is Scheme.BYTES4_LZ4 else content
        payload = lz4.frame.compress(plain)
    stored, size = len(payload).to_bytes(3, "little"), len(content).to_bytes(3, "little")
    return b"\0" + stored + bytes([scheme]) + size + payload


@dataclass(slots=True)
class _Chunk:
    stored_size: int
    scheme: Scheme
    size: int
    payload: memoryview


def _parse_header(header: memoryview) -> _Chunk:
    stored = header[1] | header[2] << 8 | header[3] << 16
    size = header[5] | header[6] << 8 | header[7] << 16
    if header[0] != 0:
        raise HubError(400, f"Unknown chunk version {header[0]}")
    if header[4] > Scheme.BYTES4_LZ4:
        raise HubError(400, f"Unknown compression scheme {header[4]}")
    if not 0 < size <= MAX_CHUNK_SIZE or not 0 < stored <= MAX_PAYLOAD_SIZE:
        raise HubError(400, f"A chunk of {size} bytes, stored in {stored}, is outside the limits")
    return _Chunk(stored, Scheme(header[4]), size, header[:0])


def _split(content: bytes) -> bytes:
    return b"".join(content[lane::4] for lane in range(4))


def _unsplit(content: Content) -> bytearray:
    """Undo `_split`; the first lanes are a byte longer where the size is no multiple of 4."""
    import numpy as np

    lanes = np.frombuffer(content, np.uint8)
    whole = bytearray(len(lanes))
    view = np.frombuffer(whole, np.uint8)
    start = 0
    for lane in range(4):
        end = start + (len(lanes) - lane + 3) // 4
        view[lane::4] = lanes[start:end]
        start = end
    return whole
