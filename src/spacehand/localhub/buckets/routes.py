"""Buckets over HTTP: made, described, listed, changed, moved, deleted, and what is in them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spacehand.ids import RepoKind, Visibility
from spacehand.localhub.buckets import feed, packs, wire
from spacehand.localhub.buckets.access import readable_bucket, visible_bucket, writable_bucket
from spacehand.localhub.buckets.batch import Batch, Outcome, parse_batch
from spacehand.localhub.buckets.contents import Hashed, Stored
from spacehand.localhub.buckets.folder import Entry
from spacehand.localhub.buckets.store import Bucket, BucketExistsError
from spacehand.localhub.errors import HubError, entry_not_found, repo_not_found
from spacehand.localhub.files.download import file_headers, is_unchanged
from spacehand.localhub.paging import paged, paged_by_name
from spacehand.localhub.repos.store import Moved
from spacehand.localhub.request import (
    caller,
    endpoint,
    json_body,
    local_hub,
    may_read,
    parse_id,
    part,
    require_namespace,
    require_owner,
    signed_in,
    text_field,
    visible_repo,
)
from spacehand.localhub.transfer import part_of, whole_body

_MAX_BATCH = 32 * 1024 * 1024  # bytes
_MAX_PATHS = 1000
_SAMPLE = 4096  # bytes

# A large file that an app wrote is read to its end before its hash is known: nobody else is to wait for that.
_readers = ThreadPoolExecutor(4, "buckets")
T = TypeVar("T")


async def create(request: Request) -> Response:
    """Make a bucket: ``{"visibility"?}``; the owner ``me`` is the caller."""
    known = signed_in(request)
    body = await json_body(request)
    bucket_id = parse_id(f"{_owner(request)}/{part(request, 'name')}")
    require_namespace(known, "bucket", bucket_id.owner)
    visibility = _visibility(body) or Visibility.PUBLIC
    try:
        bucket = await asyncio.to_thread(local_hub(request).buckets.create, bucket_id, visibility)
    except BucketExistsError as error:
        message = f"You already created this bucket: {error.bucket.id}"
        raise HubError(409, message, body={"url": _url(request, error.bucket)}) from None
    return JSONResponse({"url": _url(request, bucket), "name": str(bucket.id), "id": bucket.uid[:24]})


def info(request: Request) -> Response:
    """One bucket, with the bytes and the number of files in it."""
    bucket = readable_bucket(request)
    return JSONResponse(wire.info(bucket, local_hub(request).buckets.usage(bucket)))


def listing(request: Request) -> Response:
    """The buckets of an account that the caller may see; ``search`` looks in their names."""
    buckets, known = local_hub(request).buckets, caller(request)
    owner = local_hub(request).accounts.account(_owner(request)).name
    found = buckets.list(owner=owner, search=request.query_params.get("search", ""))
    visible = [bucket for bucket in found if may_read(known, bucket)]
    return paged(request, visible, lambda bucket: wire.info(bucket, buckets.usage(bucket)))


def without_owner(_request: Request) -> Response:
    """There is no bucket without an owner."""
    raise repo_not_found()


async def settings(request: Request) -> Response:
    """Who may see a bucket: ``{"private"}`` or ``{"visibility"}``."""
    bucket = writable_bucket(request)
    visibility = _visibility(await json_body(request)) or bucket.visibility
    changed = await asyncio.to_thread(local_hub(request).buckets.change, bucket, visibility)
    return JSONResponse({"private": changed.private, "visibility": changed.visibility.value})


async def delete(request: Request) -> Response:
    """Delete a bucket and all that is in it."""
    bucket = readable_bucket(request)
    require_owner(caller(request), bucket)
    await asyncio.to_thread(local_hub(request).buckets.delete, bucket)
    return JSONResponse({})


async def move_bucket(request: Request, body: Mapping[str, Any]) -> Response:
    """Give a bucket another name; the old one redirects: ``{"fromRepo", "toRepo"}``."""
    bucket = visible_bucket(request, text_field(dict(body), "fromRepo"))
    require_owner(caller(request), bucket)
    target = parse_id(text_field(dict(body), "toRepo"))
    require_namespace(caller(request), "bucket", target.owner)
    moved = await asyncio.to_thread(local_hub(request).buckets.move, bucket, target)
    return JSONResponse({"url": _url(request, moved)})


async def tree(request: Request) -> Response:
    """The files whose paths begin with a prefix; with ``recursive=false`` one level, and its folders."""
    bucket = readable_bucket(request)
    prefix = part(request, "path") if "path" in request.path_params else ""
    recursive = request.query_params.get("recursive", "true").lower() not in ("false", "0")

    def list_page() -> Response:
        buckets = local_hub(request).buckets
        entries = buckets.folder(bucket).entries(prefix, recursive=recursive)
        if recursive and not prefix and "cursor" not in request.query_params:
            there = [entry.path for entry in entries]
            buckets.contents.forget_gone(bucket.uid, buckets.folder(bucket), there)
        return paged_by_name(
            request, entries, partial(_describe_all, request, bucket), name=lambda entry: entry.path
        )

    return await _in_reader(list_page)


async def paths_info(request: Request) -> Response:
    """What is known of some files: ``{"paths"}``; those that are not there are left out."""
    bucket = readable_bucket(request)
    paths = (await json_body(request)).get("paths")
    if not isinstance(paths, list) or len(paths) > _MAX_PATHS:
        raise HubError(400, f"`paths` must be a list of at most {_MAX_PATHS} texts")
    return JSONResponse(await _in_reader(_describe_paths, request, bucket, paths))


async def batch(request: Request) -> Response:
    """Add, copy and delete files, one operation a line; 422 when all of them fail."""
    bucket = writable_bucket(request)
    operations = parse_batch(await whole_body(request, _MAX_BATCH))
    work = Batch(local_hub(request), bucket, partial(_readable_uid, request))
    done: Outcome = await _in_reader(work.apply, operations)
    all_failed = bool(done.failed) and len(done.failed) == done.processed
    return JSONResponse(wire.outcome(done), 422 if all_failed else 200)


async def resolve(request: Request) -> Response:
    """A file's bytes; the headers say how it is fetched by Xet."""
    bucket = readable_bucket(request)
    found, stored, sample = await _in_reader(_open, request, bucket, part(request, "path"))
    etag = f'"{found.hash}"'
    token = f"{endpoint(request)}/api/buckets/{bucket.id}/xet-read-token"
    headers = {
        **file_headers(request, found.entry.path, sample),
        "ETag": etag,
        "X-Linked-ETag": etag,
        "X-Linked-Size": str(stored.content.size),
        "X-Xet-Hash": found.hash,
        "Link": f'<{token}>; rel="xet-auth"',
    }
    if is_unchanged(request, etag):
        return Response(status_code=304, headers=headers)
    return part_of(request, stored.content.size, stored.blocks, headers)


async def _in_reader(function: Callable[..., T], *arguments: object) -> T:
    return await asyncio.get_running_loop().run_in_executor(_readers, partial(function, *arguments))


def _describe_all(request: Request, bucket: Bucket, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    folders = [wire.folder(entry) for entry in entries if entry.is_dir]
    files = [wire.file(each) for each in _hashed(request, bucket, [e for e in entries if not e.is_dir])]
    return sorted(folders + files, key=lambda row: str(row["path"]))


def _describe_paths(request: Request, bucket: Bucket, paths: Sequence[object]) -> list[dict[str, Any]]:
    folder = local_hub(request).buckets.folder(bucket)
    entries = []
    for path in paths:
        try:
            entries.append(folder.entry(str(path)))
        except HubError:
            continue
    return [wire.file(each) for each in _hashed(request, bucket, entries)]


def _hashed(request: Request, bucket: Bucket, entries: Sequence[Entry]) -> list[Hashed]:
    buckets = local_hub(request).buckets
    return buckets.contents.hashed(bucket.uid, buckets.folder(bucket), entries)


def _open(request: Request, bucket: Bucket, path: str) -> tuple[Hashed, Stored, bytes]:
    buckets = local_hub(request).buckets
    folder = buckets.folder(bucket)
    (found,) = buckets.contents.hashed(bucket.uid, folder, [folder.entry(path)]) or (None,)
    if found is None:
        raise entry_not_found(path)
    descriptor = folder.open(path)
    try:
        sample = os.pread(descriptor, _SAMPLE, 0)
    finally:
        os.close(descriptor)
    return found, buckets.contents.stored(bucket.uid, folder, path, found.hash), sample


def _readable_uid(request: Request, kind: str, name: str) -> str:
    """Return the uid of the repository or bucket that a copy is made from, if the caller may download it."""
    if kind == "bucket":
        return visible_bucket(request, name).uid
    wanted = parse_id(name)
    try:
        repo = visible_repo(request, RepoKind(kind), wanted.owner, wanted.name)
    except Moved as moved:
        repo = moved.repo
    except ValueError:
        raise HubError(422, f"`{kind}` is nothing to copy from") from None
    if repo.gated and not caller(request).can_read_repo(repo.id):
        raise HubError(403, f"Access to {repo.kind} {repo.id} is restricted")
    return repo.uid


def _owner(request: Request) -> str:
    owner = part(request, "owner")
    return str(signed_in(request).name) if owner == "me" else owner


def _visibility(body: Mapping[str, Any]) -> Visibility | None:
    wanted, private = body.get("visibility"), body.get("private")
    if wanted is None and private is None:
        return None
    if wanted is None and isinstance(private, bool):
        return Visibility.PRIVATE if private else Visibility.PUBLIC
    if wanted not in (Visibility.PUBLIC, Visibility.PRIVATE):
        raise HubError(400, "`visibility` must be public or private")
    return Visibility(wanted)


def _url(request: Request, bucket: Bucket) -> str:
    return f"{endpoint(request)}/buckets/{bucket.id}"


_BUCKET = "/api/buckets/{owner}/{name}"

routes = [
    Route("/api/buckets/{owner}", listing),
    Route("/api/buckets/{owner}", without_owner, methods=["DELETE"]),
    Route(_BUCKET, info),
    Route(_BUCKET, create, methods=["POST"]),
    Route(_BUCKET, delete, methods=["DELETE"]),
    Route(f"{_BUCKET}/settings", settings, methods=["PUT"]),
    Route(f"{_BUCKET}/tree", tree),
    Route(f"{_BUCKET}/tree/{{path:path}}", tree),
    Route(f"{_BUCKET}/paths-info", paths_info, methods=["POST"]),
    Route(f"{_BUCKET}/batch", batch, methods=["POST"]),
    Route("/buckets/{owner}/{name}/resolve/{path:path}", resolve),
    Route(f"{_BUCKET}/events", feed.follow),
    *packs.routes,
]
