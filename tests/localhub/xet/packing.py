"""Xorbs and shards as a client makes them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from spacehand.localhub.xet.chunks import ChunkTable, Scheme, XorbReader, encode
from spacehand.localhub.xet.merkle import file_hash, from_text, range_hash, to_text, xorb_hash
from spacehand.localhub.xet.shards import Term

_RECORD = struct.Struct("<32sIIII")
_HEADER = b"HFRepoMetaData\0" + bytes(17) + struct.pack("<QQ", 2, 0)
_END = _RECORD.pack(b"\xff" * 32, 0, 0, 0, 0)


@dataclass(frozen=True)
class Xorb:
    """Chunks packed together; *data* is what is sent."""

    chunks: tuple[bytes, ...]
    data: bytes
    table: ChunkTable

    @property
    def digest(self) -> bytes:
        return xorb_hash(self.table.leaves())

    @property
    def hash(self) -> str:
        return to_text(self.digest)

    def term(self, start: int, end: int) -> Term:
        return Term(self.digest, sum(map(len, self.chunks[start:end])), start, end)


def pack(chunks: Sequence[bytes], scheme: Scheme = Scheme.LZ4) -> Xorb:
    data = b"".join(encode(chunk, scheme) for chunk in chunks)
    reader = XorbReader(lambda _kept: None)
    reader.write(data)
    return Xorb(tuple(chunks), data, reader.finish())


@dataclass(frozen=True)
class Described:
    """One file of a shard: runs of chunks, and what is claimed of them."""

    parts: Sequence[tuple[Xorb, int, int]]
    sha256: str | None = None  # claimed; the true one by default
    without_sha256: bool = False
    range_hash: bytes | None = None

    @property
    def content(self) -> bytes:
        return b"".join(chunk for xorb, start, end in self.parts for chunk in xorb.chunks[start:end])

    @property
    def true_sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def hash(self) -> str:
        leaves = [leaf for xorb, start, end in self.parts for leaf in xorb.table.leaves(start, end)]
        return to_text(file_hash(leaves))

    def records(self) -> bytes:
        terms = [xorb.term(start, end) for xorb, start, end in self.parts]
        flags = 1 << 31 | (0 if self.without_sha256 else 1 << 30)
        rows = [_RECORD.pack(from_text(self.hash), flags, len(terms), 0, 0)]
        rows += [_RECORD.pack(term.xorb, 0, term.size, term.start, term.end) for term in terms]
        for xorb, start, end in self.parts:
            proof = self.range_hash or range_hash(xorb.table.hashes[32 * start : 32 * end])
            rows.append(_RECORD.pack(proof, 0, 0, 0, 0))
        if not self.without_sha256:
            rows.append(_RECORD.pack(from_text(self.sha256 or self.true_sha256), 0, 0, 0, 0))
        return b"".join(rows)


def shard(*files: Described) -> bytes:
    return _HEADER + b"".join(file.records() for file in files) + _END + _END


async def pieces(data: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
