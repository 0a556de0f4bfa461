"""
Shards: what a client says about files, each a list of runs of chunks in xorbs.

    header   32 bytes of tag | version u64 | footer size u64
    files    file hash | flags u32 | n u32 | 8 unused      all records are 48 bytes
             n × (xorb hash | flags u32 | size u32 | first chunk u32 | end chunk u32)
             n × (range hash | 16 unused)                   when flags has bit 31
             1 × (sha256 | 16 unused)                       when flags has bit 30
             … until a hash of 32 × 0xff
    xorbs    xorb hash | flags u32 | n u32 | size u32 | stored size u32, then n chunks; … until 32 × 0xff
    footer   absent in uploads
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from spacehand.localhub.errors import HubError
from spacehand.localhub.xet.merkle import to_text

MAX_SHARD_SIZE = 64 * 1024 * 1024  # bytes

_TAG = b"HFRepoMetaData\0"
_HEADER = struct.Struct("<32sQQ")
_RECORD = struct.Struct("<32sIIII")
_VERSION = 2
_END = b"\xff" * 32
_HAS_RANGE_HASHES = 1 << 31
_HAS_SHA256 = 1 << 30


@dataclass(frozen=True, slots=True)
class Term:
    """The chunks *start* to *end* (exclusive) of one xorb, *size* bytes before compression."""

    xorb: bytes
    size: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ShardFile:
    """One file as a client describes it: all of this is a claim."""

    file_hash: bytes
    terms: tuple[Term, ...]
    range_hashes: tuple[bytes, ...] | None  # one for each term
    sha256: str | None

    @property
    def size(self) -> int:
        return sum(term.size for term in self.terms)


def parse_shard(data: bytes | bytearray) -> list[ShardFile]:
    """
    Return the files that a shard describes.

    Raises:
        HubError: 400, it is cut off, or no shard.
    """
    if len(data) < _HEADER.size:
        raise HubError(400, "The shard is cut off")
    tag, version, _footer_size = _HEADER.unpack_from(data)
    if not tag.startswith(_TAG) or version != _VERSION:
        raise HubError(400, "This is not a shard of version 2")
    records = _Records(data, _HEADER.size)
    files = list(_files(records))
    _skip_xorbs(records)
    return files


def _files(records: _Records) -> Iterator[ShardFile]:
    while (header := records.next())[0] != _END:
        file_hash, flags, count, _, _ = header
        rows = records.take(count)
        terms = tuple(Term(xorb, size, start, end) for xorb, _flags, size, start, end in rows)
        ranges = None
        if flags & _HAS_RANGE_HASHES:
            ranges = tuple(row[0] for row in records.take(count))
        sha256 = to_text(records.next()[0]) if flags & _HAS_SHA256 else None
        yield ShardFile(file_hash, terms, ranges, sha256)


def _skip_xorbs(records: _Records) -> None:
    """Step over what the client says about xorbs: the Hub knows each of them from its own bytes."""
    if records.at_end:
        return
    while (header := records.next())[0] != _END:
        records.take(header[2])


class _Records:
    """The records of a shard in order, never past its end."""

    def __init__(self, data: bytes | bytearray, position: int) -> None:
        self._data = data
        self._position = position

    @property
    def at_end(self) -> bool:
        return self._position >= len(self._data)

    def next(self) -> tuple[bytes, int, int, int, int]:
        return self.take(1)[0]

    def take(self, count: int) -> list[tuple[bytes, int, int, int, int]]:
        end = self._position + count * _RECORD.size
        if end > len(self._data):
            raise HubError(400, "The shard is cut off")
        part = memoryview(self._data)[self._position : end]
        self._position = end
        return list(_RECORD.iter_unpack(part))
