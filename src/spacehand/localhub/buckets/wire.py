"""Buckets as the official client expects them in JSON."""

from __future__ import annotations

from typing import Any

from spacehand.localhub.buckets.batch import Outcome
from spacehand.localhub.buckets.contents import Hashed
from spacehand.localhub.buckets.folder import Entry
from spacehand.localhub.buckets.store import Bucket, Usage
from spacehand.localhub.wire_time import from_unix


def info(bucket: Bucket, usage: Usage) -> dict[str, Any]:
    """Answer of ``GET /api/buckets/ada/data``."""
    return {
        "_id": bucket.uid[:24],
        "id": str(bucket.id),
        "author": bucket.id.owner,
        "private": bucket.private,
        "visibility": bucket.visibility.value,
        "createdAt": from_unix(bucket.created),
        "updatedAt": from_unix(usage.changed),
        "size": usage.size,
        "totalFiles": usage.files,
    }


def file(found: Hashed) -> dict[str, Any]:
    """One file of a tree, or one of the paths asked for."""
    entry = found.entry
    return {
        "type": "file",
        "path": entry.path,
        "size": entry.size,
        "xetHash": found.hash,
        "mtime": from_unix(entry.modified_ns / 1e9),
        "uploadedAt": from_unix(entry.changed_ns / 1e9),
    }


def folder(entry: Entry) -> dict[str, Any]:
    """One folder of a tree."""
    return {"type": "directory", "path": entry.path, "uploadedAt": from_unix(entry.changed_ns / 1e9)}


def outcome(found: Outcome) -> dict[str, Any]:
    """Answer of ``POST /api/buckets/ada/data/batch``."""
    return {
        "success": not found.failed,
        "processed": found.processed,
        "succeeded": found.processed - len(found.failed),
        "failed": [{"path": path, "error": reason} for path, reason in found.failed],
    }
