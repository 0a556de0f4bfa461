"""The JSON of git-lfs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from spacehand.localhub.errors import HubError

MEDIA_TYPE = "application/vnd.git-lfs+json"

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_MAX_OBJECTS = 10_000


class Operation(StrEnum):
    """What a batch is about."""

    UPLOAD = "upload"
    DOWNLOAD = "download"


@dataclass(frozen=True, slots=True)
class Pointer:
    """A large file as a client names it; *size* is in bytes."""

    sha256: str
    size: int

    @classmethod
    def parse(cls, value: object) -> Pointer:
        """
        Return the object ``{"oid", "size"}``.

        Raises:
            HubError: 422, it is none.
        """
        row = value if isinstance(value, dict) else {}
        sha256, size = row.get("oid"), row.get("size")
        if not isinstance(sha256, str) or not _SHA256.match(sha256):
            raise HubError(422, "`oid` must be a sha256 in lower-case hexadecimal digits")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise HubError(422, "`size` must be a number of bytes")
        return cls(sha256, size)


@dataclass(frozen=True, slots=True)
class Batch:
    """A request for the addresses of several files."""

    operation: Operation
    pointers: tuple[Pointer, ...]

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Batch:
        """
        Return the batch.

        Raises:
            HubError: 422, it is none, or asks for another hash or transfer than ours.
        """
        operation, rows = value.get("operation"), value.get("objects")
        if operation not in tuple(Operation):
            raise HubError(422, "`operation` must be upload or download")
        if not isinstance(rows, list) or len(rows) > _MAX_OBJECTS:
            raise HubError(422, f"`objects` must be a list of at most {_MAX_OBJECTS}")
        if value.get("hash_algo", "sha256") != "sha256":
            raise HubError(422, "`hash_algo` must be sha256")
        transfers = value.get("transfers") or ["basic"]
        if not isinstance(transfers, list) or "basic" not in transfers:
            raise HubError(422, "Only the transfer `basic` is supported")
        return cls(Operation(operation), tuple(Pointer.parse(row) for row in rows))


def batch_answer(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"transfer": "basic", "hash_algo": "sha256", "objects": rows}


def row(pointer: Pointer, **actions: str) -> dict[str, Any]:
    """Return one object of the answer; without *actions* (name → address) there is nothing to do for it."""
    answer: dict[str, Any] = {"oid": pointer.sha256, "size": pointer.size, "authenticated": True}
    if actions:
        answer["actions"] = {name: {"href": address, "header": {}} for name, address in actions.items()}
    return answer


def refused_row(pointer: Pointer, status: int, message: str) -> dict[str, Any]:
    error = {"code": status, "message": message}
    return {"oid": pointer.sha256, "size": pointer.size, "error": error}
