"""The changes in a bucket as they happen, whoever makes them: the API, or an app in its folder."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from spacehand.localhub.buckets.access import readable_bucket
from spacehand.localhub.buckets.folder import Entry
from spacehand.localhub.buckets.store import Bucket
from spacehand.localhub.errors import HubError
from spacehand.localhub.request import caller, local_hub, may_read
from spacehand.localhub.wire_time import from_unix

_PAUSE = 1.0  # seconds between two looks
_LONGEST_PAUSE = 10.0
_SHARE = 0.1  # of a core, at most, goes into looking
_QUIET_SECONDS = 30.0
_KEEP_ALIVE = ": nothing new\n\n"

Seen = Mapping[str, Entry]  # by path


async def follow(request: Request) -> Response:
    """The changes since ``since`` and from now on, as server-sent events."""
    bucket = await asyncio.to_thread(readable_bucket, request)
    since = _since(request.query_params.get("since", ""))
    # What was removed is remembered nowhere: who left for a while has to look for itself.
    is_back = "cursor" in request.query_params
    events = _one(_event("reset", {"reason": "no replay"})) if is_back else _changes(request, bucket, since)
    headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


def difference(before: Seen, after: Seen) -> list[dict[str, Any]]:
    """
    Return what has to be done to *before* to make it *after*, as the client reads it.

    A folder is named where something came and went again between two looks: who saw it there looks anew.
    """
    gone = [path for path, entry in before.items() if path not in after and not entry.is_dir]
    changes = [{"path": path, "op": "delete"} for path in gone]
    for path, entry in after.items():
        if path not in before and not entry.is_dir:
            changes.append(_change(entry, "add"))
        elif path in before and before[path].stamp != entry.stamp and not entry.is_dir:
            changes.append(_change(entry, "update"))
    explained = {str(PurePosixPath(change["path"]).parent) for change in changes}
    for path, entry in after.items():
        if entry.is_dir and path not in explained and path in before and before[path].stamp != entry.stamp:
            changes.append({"path": path, "op": "update"})
    return changes


async def _changes(request: Request, bucket: Bucket, since: float) -> AsyncIterator[str]:
    seen, _ = await asyncio.to_thread(_look, request, bucket)
    missed = [entry for entry in seen.values() if not entry.is_dir and entry.changed_ns / 1e9 >= since]
    if missed:
        yield _batch([_change(entry, "update") for entry in missed])
    yield _event("ready", {"cursor": _cursor()})
    spoken = time.monotonic()
    pause = _PAUSE
    while True:
        await asyncio.sleep(pause)
        try:
            now, work = await asyncio.to_thread(_look, request, bucket)
        except HubError:
            return  # deleted, or not for this caller any more
        pause = min(max(_PAUSE, work / _SHARE), _LONGEST_PAUSE)
        if changes := difference(seen, now):
            yield _batch(changes)
            spoken = time.monotonic()
        elif time.monotonic() - spoken > _QUIET_SECONDS:
            yield _KEEP_ALIVE
            spoken = time.monotonic()
        seen = now


def _look(request: Request, bucket: Bucket) -> tuple[Seen, float]:
    """Return what is in the bucket, and the seconds of work that finding it was."""
    began = time.thread_time()
    buckets = local_hub(request).buckets
    bucket = buckets.by_uid(bucket.uid)
    if not may_read(caller(request), bucket):
        raise HubError(404, "Not for this caller any more")
    found = {entry.path: entry for entry in buckets.folder(bucket).everything()}
    return found, time.thread_time() - began


def _since(text: str) -> float:
    """Return *text* in seconds since 1970; without it, nothing was missed."""
    if not text:
        return float("inf")
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise HubError(400, "`since` must be a time such as 2026-11-21T10:00:00Z") from None


def _change(entry: Entry, operation: str) -> dict[str, Any]:
    return {
        "path": entry.path,
        "op": operation,
        "size": entry.size,
        "mtime": from_unix(entry.modified_ns / 1e9),
        "uploadedAt": from_unix(entry.changed_ns / 1e9),
    }


def _batch(changes: list[dict[str, Any]]) -> str:
    return _event("changes", {"cursor": _cursor(), "changes": changes})


def _cursor() -> str:
    return str(time.time_ns())


def _event(name: str, payload: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(payload)}\n\n"


async def _one(event: str) -> AsyncIterator[str]:
    yield event
