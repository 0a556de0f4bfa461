"""Many changes of one bucket in one request; each succeeds or fails by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from spacehand.localhub import wire_json
from spacehand.localhub.buckets.content import ChangedError, Content
from spacehand.localhub.buckets.folder import parse_path
from spacehand.localhub.errors import HubError
from spacehand.localhub.store.incoming import incoming
from spacehand.localhub.xet.merkle import NO_CONTENT, to_text

if TYPE_CHECKING:
    from spacehand.localhub.buckets.store import Bucket
    from spacehand.localhub.hub import LocalHub

_EMPTY = to_text(NO_CONTENT)
_LATEST = 2**53  # milliseconds
Permitted = Callable[
    [str, str], str
]  # kind and id of what is copied from → its uid, if the caller may read it


@dataclass(slots=True)
class Outcome:
    """How many operations there were, and path and reason of those that failed."""

    processed: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Source:
    """A content, and where its bytes come from."""

    content: Content
    blocks: Iterator[bytes]


def parse_batch(data: bytes | bytearray) -> list[Mapping[str, Any]]:
    """
    Return the operations in *data*, one JSON object a line.

    Raises:
        HubError: 400, a line is something else.
    """
    try:
        rows = [wire_json.parse(line) for line in data.splitlines() if line.strip()]
    except ValueError:
        raise HubError(400, "Each line of the body must be a JSON object") from None
    if not all(isinstance(row, dict) for row in rows):
        raise HubError(400, "Each line of the body must be a JSON object")
    return rows


class Batch:
    """Changes to *bucket* by somebody who may write to it; *permitted* says what else may be read."""

    def __init__(self, hub: LocalHub, bucket: Bucket, permitted: Permitted) -> None:
        self._hub = hub
        self._bucket = bucket
        self._folder = hub.buckets.folder(bucket)
        self._permitted = permitted

    def apply(self, operations: Iterable[Mapping[str, Any]]) -> Outcome:
        """Do all of *operations* in their order."""
        outcome = Outcome()
        for operation in operations:
            outcome.processed += 1
            try:
                self._do(operation)
            except HubError as error:
                outcome.failed.append((str(operation.get("path")), error.message))
            except ChangedError as error:
                outcome.failed.append((str(operation.get("path")), str(error)))
        return outcome

    def _do(self, operation: Mapping[str, Any]) -> None:
        path = "/".join(parse_path(operation.get("path")))
        match operation.get("type"):
            case "deleteFile":
                self._folder.remove(path)
                self._hub.buckets.contents.forget(self._bucket.uid, path)
            case "addFile":
                self._put(operation, path, self._sent(_hash(operation)))
            case "copyFile":
                self._put(operation, path, self._elsewhere(operation, _hash(operation)))
            case other:
                raise HubError(422, f"`{other}` is no operation on a bucket")

    def _put(self, operation: Mapping[str, Any], path: str, source: _Source) -> None:
        modified_ns = _milliseconds(operation.get("mtime")) * 1_000_000
        with incoming(self._hub.place) as file:
            for block in source.blocks:
                file.write(block)
            entry = self._folder.put(path, file, modified_ns)
        self._hub.buckets.contents.keep(self._bucket.uid, entry, source.content, _hash(operation))

    def _sent(self, xet_hash: str) -> _Source:
        """Return what a client sent for this bucket, or what is in it already."""
        if xet_hash == _EMPTY:
            return _Source(Content.of_chunks(()), iter(()))
        return self._held(self._bucket.uid, xet_hash) or self._in_bucket(self._bucket, xet_hash)

    def _elsewhere(self, operation: Mapping[str, Any], xet_hash: str) -> _Source:
        kind, name = operation.get("sourceRepoType"), operation.get("sourceRepoId")
        if not isinstance(kind, str) or not isinstance(name, str):
            raise HubError(422, "`sourceRepoType` and `sourceRepoId` must say what is copied from")
        uid = self._permitted(kind, name)
        if (held := self._held(uid, xet_hash)) is not None:
            return held
        if kind == "bucket":
            return self._in_bucket(self._hub.buckets.by_uid(uid), xet_hash)
        raise HubError(404, f"{name} has no file with the Xet hash {xet_hash}")

    def _held(self, uid: str, xet_hash: str) -> _Source | None:
        objects = self._hub.objects
        file = objects.xet.file(xet_hash)
        if file is None or not file.terms or not objects.holds(uid, file.sha256):
            return None
        chunks = (
            leaf
            for term in file.terms
            for leaf in objects.xet.table(to_text(term.xorb)).leaves(term.start, term.end)
        )
        return _Source(Content.of_chunks(chunks), objects.xet.stream(file, 0, file.size))

    def _in_bucket(self, bucket: Bucket, xet_hash: str) -> _Source:
        buckets = self._hub.buckets
        stored = buckets.contents.by_hash(bucket.uid, buckets.folder(bucket), xet_hash)
        if stored is None:
            raise HubError(404, f"No file with the Xet hash {xet_hash} was sent to {bucket.id}")
        return _Source(stored.content, stored.blocks())


def _hash(operation: Mapping[str, Any]) -> str:
    value = operation.get("xetHash")
    if not isinstance(value, str):
        raise HubError(422, "`xetHash` must be a text")
    return value.lower()


def _milliseconds(value: object) -> int:
    if value is None:
        return int(time.time() * 1000)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LATEST:
        raise HubError(422, "`mtime` must be milliseconds since 1970")
    return value
