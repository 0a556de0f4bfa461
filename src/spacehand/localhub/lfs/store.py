"""Large files that came in one piece: plain files, named by their sha256."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

from spacehand.localhub.errors import HubError
from spacehand.localhub.store.incoming import Incoming, in_thread, incoming, pour
from spacehand.localhub.store.place import Place


class LfsFiles:
    """The folder of plain files; a file is there whole and verified, or not at all."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def path(self, sha256: str) -> Path | None:
        """Return where *sha256* lies, or None."""
        path = self._place.lfs_file(sha256)
        return path if path.is_file() else None

    async def receive(self, source: AsyncIterator[bytes], sha256: str, size: int, *, keep: bool) -> None:
        """
        Take in *size* bytes that must have the hash *sha256*; without *keep* they are only verified.

        Raises:
            HubError: 400, other bytes than promised; 507, the disk is full.
        """
        if not keep:
            await self._verified(source, None, sha256, size)
            return
        with incoming(self._place) as file:
            await self._verified(source, file, sha256, size)
            await in_thread(file.become, self._place.lfs_file(sha256))

    async def _verified(
        self, source: AsyncIterator[bytes], file: Incoming | None, sha256: str, size: int
    ) -> None:
        sink = _Verifier(file, size)
        await pour(source, sink)
        if sink.size != size:
            raise HubError(400, f"Expected {size} bytes, got {sink.size}")
        if sink.sha256.hexdigest() != sha256:
            raise HubError(400, f"The content's sha256 is {sink.sha256.hexdigest()}, not {sha256}")


class _Verifier:
    """Hashes what it writes, and refuses a byte more than was promised."""

    def __init__(self, file: Incoming | None, limit: int) -> None:
        self._file = file
        self._limit = limit
        self.size = 0
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._limit:
            raise HubError(400, f"More than the {self._limit} bytes that were announced")
        self.sha256.update(data)
        if self._file is not None:
            self._file.write(data)
