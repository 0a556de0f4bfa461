"""Which bucket a request is about, and whether its sender may see or change it."""

from __future__ import annotations

from starlette.requests import Request

from spacehand.localhub.buckets.store import Bucket, MovedBucket
from spacehand.localhub.errors import HubError
from spacehand.localhub.request import (
    caller,
    local_hub,
    may_read,
    parse_id,
    part,
    redirect,
    require_write,
    unseen,
)


def readable_bucket(request: Request) -> Bucket:
    """
    Return the bucket named by ``{owner}/{name}`` in the path.

    Raises:
        HubError: 404 or 401 when there is none that the caller may see; 307 when it was moved.
    """
    try:
        return _visible(request, part(request, "owner"), part(request, "name"))
    except MovedBucket as moved:
        raise redirect(request, moved.bucket) from None


def writable_bucket(request: Request) -> Bucket:
    """
    Return the bucket, if the caller may change it.

    Raises:
        HubError: as `readable_bucket`; 401 or 403 when the caller may only look.
    """
    bucket = readable_bucket(request)
    require_write(caller(request), bucket)
    return bucket


def visible_bucket(request: Request, bucket_id: str) -> Bucket:
    """
    Return the bucket *bucket_id*, named elsewhere than in the path, if the caller may see it.

    Raises:
        HubError: 400, 404 or 401.
    """
    wanted = parse_id(bucket_id)
    try:
        return _visible(request, wanted.owner, wanted.name)
    except MovedBucket as moved:
        return moved.bucket


def _visible(request: Request, owner: str, name: str) -> Bucket:
    known = caller(request)
    try:
        bucket = local_hub(request).buckets.find(owner, name)
    except MovedBucket as moved:
        if may_read(known, moved.bucket):
            raise
        raise unseen(known) from None
    except HubError:
        raise unseen(known) from None
    if not may_read(known, bucket):
        raise unseen(known)
    return bucket
