"""New git objects on their way to disk: one pack file for each commit."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_KINDS = {"commit": 1, "tree": 2, "blob": 3}
_COMPRESSION = 1  # a repack, later, keeps what it finds; a commit must not wait for the last per cent
_FAR = 0x8000_0000  # offsets from here on go to a table of their own


@dataclass(frozen=True, slots=True)
class _Entry:
    offset: int
    crc: int


class Pack:
    """
    A pack file that nobody sees until `publish`, and that is gone if the block ends without it.

    A thousand loose objects are a thousand files to sync; a pack is two. It is safe against
    ``kill -9``: a half-written pack is called ``tmp_pack_…``, which git ignores and sweeps away.

    Raises:
        OSError: the disk is full, or the repository is gone.
    """

    def __init__(self, git_dir: Path) -> None:
        self._folder = git_dir / "objects" / "pack"
        descriptor, name = tempfile.mkstemp(prefix="tmp_pack_", dir=self._folder)
        self._path = Path(name)
        self._file = os.fdopen(descriptor, "w+b", buffering=1 << 20)
        self._entries: dict[bytes, _Entry] = {}
        self._size = self._file.write(_header(0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What is still buffered must not raise a second "No space left on device" from close().
        self._path.unlink(missing_ok=True)
        try:
            self._file.close()
        except OSError:
            if kind is None:
                raise

    def add(self, kind: str, data: bytes) -> str:
        """Write one object (*kind* is ``blob``, ``tree`` or ``commit``) and return its id in hex."""
        name = hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
        name.update(data)
        if name.digest() not in self._entries:
            packed = _entry_header(_KINDS[kind], len(data)) + zlib.compress(data, _COMPRESSION)
            self._entries[name.digest()] = _Entry(self._size, zlib.crc32(packed))
            self._size += self._file.write(packed)
        return name.hexdigest()

    def publish(self) -> None:
        """Make the objects part of the repository, on disk for good before this returns."""
        checksum = self._seal()
        target = self._folder / f"pack-{checksum.hex()}.pack"
        # Readers look for the .idx, so the .pack has to be there first.
        self._path.chmod(0o444)
        self._path.rename(target)
        self._write_index(target.with_suffix(".idx"), checksum)
        _sync_folder(self._folder)

    def _seal(self) -> bytes:
        """Write the number of objects into the header and the checksum behind the last one."""
        self._file.seek(0)
        self._file.write(_header(len(self._entries)))
        self._file.seek(0)
        checksum = hashlib.sha1(usedforsecurity=False)
        while chunk := self._file.read(1 << 20):
            checksum.update(chunk)
        self._file.write(checksum.digest())
        self._file.flush()
        os.fsync(self._file.fileno())
        return checksum.digest()

    def _write_index(self, target: Path, checksum: bytes) -> None:
        descriptor, name = tempfile.mkstemp(prefix="tmp_idx_", dir=self._folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_index(self._entries, checksum))
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o444)
            Path(name).rename(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _header(count: int) -> bytes:
    return b"PACK" + (2).to_bytes(4, "big") + count.to_bytes(4, "big")


def _entry_header(kind: int, size: int) -> bytes:
    """Kind and size as git packs them: 4 bits of size beside the kind, then 7 bits a byte."""
    out = bytearray()
    byte = (kind << 4) | (size & 0x0F)
    size >>= 4
    while size:
        out.append(byte | 0x80)
        byte = size & 0x7F
        size >>= 7
    out.append(byte)
    return bytes(out)


def _index(entries: dict[bytes, _Entry], pack_checksum: bytes) -> bytes:
    """A version 2 ``.idx``: a fan-out by first byte, ids, checksums, offsets."""
    ids = sorted(entries)
    counts = [0] * 256
    for oid in ids:
        counts[oid[0]] += 1
    fan_out, total = bytearray(), 0
    for count in counts:
        total += count
        fan_out += total.to_bytes(4, "big")
    near, far = bytearray(), bytearray()
    for oid in ids:
        offset = entries[oid].offset
        if offset < _FAR:
            near += offset.to_bytes(4, "big")
        else:
            near += (_FAR | len(far) // 8).to_bytes(4, "big")
            far += offset.to_bytes(8, "big")
    checksums = b"".join(entries[oid].crc.to_bytes(4, "big") for oid in ids)
    body = b"\xfftOc" + (2).to_bytes(4, "big") + bytes(fan_out) + b"".join(ids) + checksums
    body += bytes(near) + bytes(far) + pack_checksum
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
