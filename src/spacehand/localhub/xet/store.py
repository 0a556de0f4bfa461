"""
Xorbs, and the files made of them.

What is verified: of a xorb, that it decompresses and has the hash in its name; of a file, that all its chunks
are there, that they give its Xet hash, and that its content, put together again, has the sha256 it claims.
A row is written only after the bytes it speaks of are on disk for good.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

from spacehand.localhub.errors import HubError
from spacehand.localhub.store.database import Database
from spacehand.localhub.store.incoming import Incoming, in_thread, incoming, pour
from spacehand.localhub.store.outgoing import drop_from_cache, file_blocks
from spacehand.localhub.store.place import Place
from spacehand.localhub.xet.chunks import MAX_STORED_SIZE, ChunkTable, Decoder, XorbReader
from spacehand.localhub.xet.merkle import Node, file_hash, range_hash, to_text, xorb_hash
from spacehand.localhub.xet.shards import ShardFile, Term

SCHEMA = """
CREATE TABLE IF NOT EXISTS xorbs (
    hash TEXT PRIMARY KEY, stored_size INTEGER NOT NULL, chunks BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS xet_files (
    hash TEXT PRIMARY KEY, sha256 TEXT NOT NULL, size INTEGER NOT NULL, terms BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS xet_files_by_sha256 ON xet_files (sha256)
"""

# As on huggingface.co. A small shard may name the same chunks over and over, and all has to be hashed.
MAX_FILE_SIZE = 500 * 10**9  # bytes
_BLOCK = 1024 * 1024  # bytes of content yielded at once, about
_TERM = struct.Struct("<32sIII")


@dataclass(frozen=True, slots=True)
class XetFile:
    """A file whose content was verified."""

    hash: str
    sha256: str
    size: int
    terms: tuple[Term, ...]


class XetStore:
    """All xorbs and Xet files of one Hub."""

    def __init__(self, place: Place, database: Database) -> None:
        self._place = place
        self._database = database
        # A table is about 40 KB for a xorb of 64 MiB; these are asked for again and again.
        self._cached_table = lru_cache(maxsize=256)(self._load_table)

    def file(self, xet_hash: str) -> XetFile | None:
        """Return the file with the Xet hash *xet_hash*, or None."""
        row = self._database.row("SELECT * FROM xet_files WHERE hash = ?", (xet_hash,))
        return None if row is None else XetFile(xet_hash, row["sha256"], row["size"], _unpack(row["terms"]))

    def identity(self, sha256: str) -> tuple[str, int] | None:
        """Return Xet hash and size in bytes of a file with the content *sha256*, or None."""
        row = self._database.row("SELECT hash, size FROM xet_files WHERE sha256 = ?", (sha256,))
        return None if row is None else (row["hash"], row["size"])

    def by_sha256(self, sha256: str) -> XetFile | None:
        """Return a file with the content *sha256*, or None."""
        known = self.identity(sha256)
        return None if known is None else self.file(known[0])

    def has_xorb(self, xorb: str) -> bool:
        return self._database.row("SELECT 1 FROM xorbs WHERE hash = ?", (xorb,)) is not None

    def table(self, xorb: str) -> ChunkTable:
        """
        Return the chunks of *xorb*.

        Raises:
            HubError: 400, there is no such xorb.
        """
        return self._cached_table(xorb)

    def stream(self, file: XetFile, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes *start* to *end* of *file*, in blocks of about a MiB."""
        position = 0
        for term in file.terms:
            if position >= end:
                return
            if position + term.size > start:
                yield from self._term(term, max(0, start - position), min(term.size, end - position))
            position += term.size

    def xorb_blocks(self, xorb: str, start: int, end: int) -> Iterator[bytes]:
        """Yield the stored bytes *start* to *end* of *xorb*."""
        return file_blocks(self._place.xorb(xorb), start, end)

    async def receive_xorb(self, source: AsyncIterator[bytes], xorb: str) -> bool:
        """
        Take in the xorb with the hash *xorb*; return whether it is new.

        Raises:
            HubError: 400, the bytes are no xorb, or have another hash; 507, the disk is full.
        """
        if self.has_xorb(xorb):
            async for _ in source:  # read to its end, so that the connection can be used again
                pass
            return False
        with incoming(self._place) as file:
            sink = _XorbSink(file)
            await pour(source, sink)
            await in_thread(self._accept_xorb, sink, file, xorb)
        return True

    def verify(self, shard: Iterable[ShardFile]) -> list[XetFile]:
        """
        Return the files of *shard*, each put together and hashed; nothing is written yet.

        Raises:
            HubError: 400, a claim is wrong, or a xorb is not there.
        """
        return [self._verified(claim) for claim in shard]

    def add(self, files: Sequence[XetFile]) -> None:
        """Keep *files*, which `verify` returned."""
        rows = [(file.hash, file.sha256, file.size, _pack(file.terms)) for file in files]
        with self._database.write() as connection:
            connection.executemany("INSERT OR IGNORE INTO xet_files VALUES (?, ?, ?, ?)", rows)

    def _load_table(self, xorb: str) -> ChunkTable:
        row = self._database.row("SELECT chunks FROM xorbs WHERE hash = ?", (xorb,))
        if row is None:
            raise HubError(400, f"There is no xorb {xorb}")
        return ChunkTable.from_bytes(row["chunks"])

    def _term(self, term: Term, skip: int, end: int) -> Iterator[bytes]:
        """Yield the bytes *skip* to *end* of what *term* stands for."""
        table = self.table(to_text(term.xorb))
        decode = Decoder()
        descriptor = os.open(self._place.xorb(to_text(term.xorb)), os.O_RDONLY)
        try:
            position = 0
            for first, last in _runs(table, term):
                size = table.size(first, last)
                if position < end and position + size > skip:
                    stored = _read(descriptor, *table.stored_range(first, last))
                    content = b"".join(decode.all(stored))
                    yield content[max(0, skip - position) : end - position]
                position += size
        finally:
            drop_from_cache(descriptor)
            os.close(descriptor)

    def _accept_xorb(self, sink: _XorbSink, file: Incoming, xorb: str) -> None:
        table = sink.reader.finish()
        actual = to_text(xorb_hash(table.leaves()))
        if actual != xorb:
            raise HubError(400, f"The xorb's hash is {actual}, not {xorb}")
        file.become(self._place.xorb(xorb))
        with self._database.write() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO xorbs VALUES (?, ?, ?)", (xorb, table.stored_size, table.to_bytes())
            )

    def _verified(self, claim: ShardFile) -> XetFile:
        if claim.size > MAX_FILE_SIZE:
            raise HubError(400, "A file may have 500 GB at most")
        tables = [self._table_of(term) for term in claim.terms]
        self._check_ranges(claim, tables)
        actual = file_hash(_leaves(claim.terms, tables))
        if actual != claim.file_hash:
            raise HubError(400, f"The file's hash is {to_text(actual)}, not {to_text(claim.file_hash)}")
        file = self.file(to_text(actual))
        if file is None:
            file = XetFile(to_text(actual), "", claim.size, claim.terms)
            file = XetFile(file.hash, self._sha256(file), file.size, file.terms)
        if claim.sha256 is not None and claim.sha256 != file.sha256:
            raise HubError(400, f"The file's sha256 is {file.sha256}, not {claim.sha256}")
        return file

    def _table_of(self, term: Term) -> ChunkTable:
        table = self.table(to_text(term.xorb))
        if not 0 <= term.start < term.end <= len(table) or table.size(term.start, term.end) != term.size:
            raise HubError(400, f"The shard names chunks that xorb {to_text(term.xorb)} does not have")
        return table

    def _check_ranges(self, claim: ShardFile, tables: Sequence[ChunkTable]) -> None:
        """Only who has the content knows the hashes of its chunks; a xorb's hash alone opens nothing."""
        if not claim.terms:
            return
        if claim.range_hashes is None:
            raise HubError(400, "The shard does not prove that its sender has the files")
        for term, table, claimed in zip(claim.terms, tables, claim.range_hashes, strict=True):
            if range_hash(table.hashes[32 * term.start : 32 * term.end]) != claimed:
                raise HubError(400, "The shard names chunks with other hashes than those of the xorb")

    def _sha256(self, file: XetFile) -> str:
        digest = hashlib.sha256()
        # One thread puts the file together, another hashes it.
        with ThreadPoolExecutor(1, "sha256") as hasher:
            hashing: Future[None] | None = None
            for block in self.stream(file, 0, file.size):
                if hashing is not None:
                    hashing.result()
                hashing = hasher.submit(digest.update, block)
        return digest.hexdigest()


class _XorbSink:
    """Parses and hashes a xorb while it is written."""

    def __init__(self, file: Incoming) -> None:
        self.reader = XorbReader(file.write)
        self._received = 0

    def write(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > MAX_STORED_SIZE:
            raise HubError(400, "The xorb is larger than 64 MiB")
        self.reader.write(data)


def _leaves(terms: Sequence[Term], tables: Sequence[ChunkTable]) -> Iterator[Node]:
    for term, table in zip(terms, tables, strict=True):
        yield from table.leaves(term.start, term.end)


def _runs(table: ChunkTable, term: Term) -> Iterator[tuple[int, int]]:
    """Yield the chunks of *term* in runs of about a MiB."""
    first, size = term.start, 0
    for number in range(term.start, term.end):
        size += table.sizes[number]
        if size >= _BLOCK:
            yield first, number + 1
            first, size = number + 1, 0
    if first < term.end:
        yield first, term.end


def _read(descriptor: int, start: int, end: int) -> memoryview:
    data = os.pread(descriptor, end - start, start)
    if len(data) != end - start:
        raise OSError("a xorb on disk is shorter than its table says")
    return memoryview(data)


def _pack(terms: Iterable[Term]) -> bytes:
    return b"".join(_TERM.pack(term.xorb, term.size, term.start, term.end) for term in terms)


def _unpack(data: bytes) -> tuple[Term, ...]:
    return tuple(Term(*row) for row in _TERM.iter_unpack(data))
