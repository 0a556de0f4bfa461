"""Xet over HTTP: tokens for a repository, and the store they open."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spacehand.localhub.buckets.access import readable_bucket, writable_bucket
from spacehand.localhub.buckets.packs import made_from_files
from spacehand.localhub.errors import HubError, forbidden
from spacehand.localhub.request import (
    downloadable_repo,
    endpoint,
    local_hub,
    part,
    signed_in,
    writable_repo,
)
from spacehand.localhub.store.grants import Grants
from spacehand.localhub.store.incoming import in_thread
from spacehand.localhub.transfer import body, part_of, wanted_span, whole_body
from spacehand.localhub.xet import wire
from spacehand.localhub.xet.shards import MAX_SHARD_SIZE, parse_shard
from spacehand.localhub.xet.store import XetFile

_TOKEN_SECONDS = 15 * 60  # clients ask for a new one by themselves
_ADDRESS_SECONDS = 3600
READ, WRITE, _XORB = "xet-read", "xet-write", "xet-xorb"
_HASH = re.compile(r"[0-9a-f]{64}\Z")

# Each shard under verification keeps a core busy; more at once would only take turns.
_verifying = asyncio.Semaphore(2)


async def read_token(request: Request) -> Response:
    """Answer a token that fetches the repository's files from the store."""
    return connection(request, downloadable_repo(request).uid, READ)


async def write_token(request: Request) -> Response:
    """Answer a token that sends files for the repository; to propose a change, reading it is enough."""
    if request.query_params.get("create_pr") in ("1", "true", "True"):
        if signed_in(request).role == "read":
            raise forbidden("A token with the right to write is needed")
        return connection(request, downloadable_repo(request).uid, WRITE)
    return connection(request, writable_repo(request).uid, WRITE)


def connection(request: Request, uid: str, purpose: str) -> Response:
    """Answer a token to `READ` or to `WRITE` what the repository or bucket *uid* holds."""
    hub = local_hub(request)
    token, expires = Grants(hub.keys).give(purpose, {"repo": uid}, seconds=_TOKEN_SECONDS)
    answer, headers = wire.connection(f"{endpoint(request)}/cas/{hub.objects.store_id}", token, expires)
    return JSONResponse(answer, headers=headers)


async def bucket_read_token(request: Request) -> Response:
    """Answer a token that fetches a bucket's files."""
    return connection(request, readable_bucket(request).uid, READ)


async def bucket_write_token(request: Request) -> Response:
    """Answer a token that sends files for a bucket."""
    return connection(request, writable_bucket(request).uid, WRITE)


async def receive_xorb(request: Request) -> Response:
    """Take in a pack of chunks, verified by its hash."""
    _repo_of_token(request, WRITE)
    new = await local_hub(request).objects.xet.receive_xorb(body(request), _hash(request))
    return JSONResponse({"was_inserted": new})


async def receive_shard(request: Request) -> Response:
    """Take in the description of files; each is put together and verified before the answer."""
    repo = _repo_of_token(request, WRITE)
    data = await whole_body(request, MAX_SHARD_SIZE)
    async with _verifying:
        new = await in_thread(_accept_shard, request, data, repo)
    return JSONResponse({"result": int(new)})


async def reconstruct(request: Request) -> Response:
    """Answer which chunks give a file, or a range of it, and where they are fetched."""
    repo = _repo_of_token(request, READ, WRITE)
    return JSONResponse(await in_thread(_reconstruction, request, repo))


async def fetch_xorb(request: Request) -> Response:
    """Answer a range of a pack of chunks; the address itself is the permission."""
    xorb = _hash(request)
    facts = Grants(local_hub(request).keys).check(_XORB, request.query_params.get("permission", ""))
    store = local_hub(request).objects.xet
    size = store.table(xorb).stored_size
    span = wanted_span(request, size)
    first, last = (0, size - 1) if span is None else (span.start, span.end - 1)
    if facts["xorb"] != xorb or not facts["first"] <= first <= last <= facts["last"]:
        raise HubError(403, "This address is for other bytes")
    return part_of(request, size, partial(store.xorb_blocks, xorb))


async def telemetry(_request: Request) -> Response:
    """Take note of nothing."""
    return Response()


async def not_offered(_request: Request) -> Response:
    """Answer that this part of the protocol is not offered; clients then do without."""
    return JSONResponse({"error": "Not offered by this store"}, 404)


def _repo_of_token(request: Request, *purposes: str) -> str:
    """
    Return the uid of the repository whose token the request carries.

    Raises:
        HubError: 401, it carries none; 403, it is not valid here; 404, this is another store.
    """
    hub = local_hub(request)
    if request.path_params["store"] != hub.objects.store_id:
        raise HubError(404, "This store is gone; ask the Hub for a new token")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise HubError(401, "A token from `xet-read-token` or `xet-write-token` is needed")
    return str(Grants(hub.keys).check(purposes, token)["repo"])


def _hash(request: Request) -> str:
    text = part(request, "hash").lower()
    if not _HASH.match(text):
        raise HubError(400, "A hash has 64 hexadecimal digits")
    return text


def _accept_shard(request: Request, data: bytearray, repo: str) -> bool:
    return bool(local_hub(request).objects.receive_shard(parse_shard(data), repo))


def _reconstruction(request: Request, repo: str) -> dict[str, Any]:
    objects = local_hub(request).objects
    wanted = _hash(request)
    file: XetFile | None = objects.xet.file(wanted)
    if file is None or not objects.holds(repo, file.sha256):
        return made_from_files(request, repo, wanted)
    span = wanted_span(request, file.size)
    start, end = (0, file.size) if span is None else (span.start, span.end)
    base = f"{endpoint(request)}/cas/{objects.store_id}/xorbs"
    grants = Grants(local_hub(request).keys)

    def address_of(xorb: str, first: int, last: int) -> str:
        facts: dict[str, str | int] = {"xorb": xorb, "first": first, "last": last}
        permission, _ = grants.give(_XORB, facts, seconds=_ADDRESS_SECONDS)
        return f"{base}/{xorb}?permission={permission}"

    return wire.reconstruction(file, start, end, table_of=objects.xet.table, address_of=address_of)


_REPO = "/api/{kind:plural}/{owner}/{name}"
_BUCKET = "/api/buckets/{owner}/{name}"
_STORE = "/cas/{store}"

routes = [
    Route(f"{_REPO}/xet-read-token/{{rev}}", read_token, methods=["GET"]),
    Route(f"{_REPO}/xet-write-token/{{rev}}", write_token, methods=["GET"]),
    Route(f"{_BUCKET}/xet-read-token", bucket_read_token, methods=["GET"]),
    Route(f"{_BUCKET}/xet-write-token", bucket_write_token, methods=["GET"]),
    Route(f"{_STORE}/v1/xorbs/default/{{hash}}", receive_xorb, methods=["POST"]),
    Route(f"{_STORE}/v1/shards", receive_shard, methods=["POST"]),
    Route(f"{_STORE}/v1/reconstructions/{{hash}}", reconstruct, methods=["GET"]),
    Route(f"{_STORE}/xorbs/{{hash}}", fetch_xorb, methods=["GET"]),
    Route(f"{_STORE}/v1/telemetry", telemetry, methods=["POST"]),
    Route(f"{_STORE}/{{path:path}}", not_offered, methods=["GET", "POST"]),
]
