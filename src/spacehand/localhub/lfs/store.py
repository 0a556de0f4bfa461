"""Large files that came in one piece: plain files, named by their sha256."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

from spacehand.localhub.errors import HubError
from spacehand.localhub.store.incoming import in_thread, incoming, pour
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
        check = _Check(sha256, size)
        if not keep:
            await pour(source, check)
            check.finish()
            return
        with incoming(self._place) as file:
            await pour(source, check, file)
            check.finish()
            await in_thread(file.become, self._place.lfs_file(sha256))


class _Check:
    """Hashes what arrives, and refuses a byte more than was promised."""

    def __init__(self, sha256: str, size: int) -> None:
        self._promised = sha256
        self._size = size
        self._left = size
        self._sha256 = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise HubError(400, f"More than the {self._size} bytes that were announced")
        self._sha256.update(data)

    def finish(self) -> None:
        """
        Let the file pass.

        Raises:
            HubError: 400, it is too short, or has another hash.
        """
        if self._left:
            raise HubError(400, f"Expected {self._size} bytes, got {self._size - self._left}")
        if self._sha256.hexdigest() != self._promised:
            raise HubError(400, f"The content's sha256 is {self._sha256.hexdigest()}, not {self._promised}")
