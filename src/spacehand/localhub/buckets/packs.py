"""Xet over HTTP for files that lie in a bucket's folder and nowhere else: an app wrote them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spacehand.localhub.buckets.contents import Stored
from spacehand.localhub.errors import HubError
from spacehand.localhub.request import endpoint, local_hub
from spacehand.localhub.store.grants import Grants
from spacehand.localhub.transfer import part_of, wanted_span
from spacehand.localhub.xet import wire

_PACK = "bucket-pack"
_ADDRESS_SECONDS = 3600


def made_from_files(request: Request, uid: str, xet_hash: str) -> dict[str, Any]:
    """
    Answer which chunks give the content *xet_hash* of the bucket *uid*, and where they are fetched.

    Raises:
        HubError: 404, *uid* is no bucket, or one without such content.
    """
    hub = local_hub(request)
    stored = _content(request, uid, xet_hash)
    if stored is None:
        raise HubError(404, "There is no such file here")
    file, packs = stored.content.described(xet_hash), stored.content.packs()
    span = wanted_span(request, file.size)
    start, end = (0, file.size) if span is None else (span.start, span.end)
    base = f"{endpoint(request)}/cas/{hub.objects.store_id}/packs"
    grants = Grants(hub.keys)

    def address_of(xorb: str, first: int, last: int) -> str:
        facts: dict[str, str | int] = {
            "bucket": uid,
            "path": stored.path,
            "hash": xet_hash,
            "chunk": packs[xorb][0],
            "first": first,
            "last": last,
        }
        permission, _ = grants.give(_PACK, facts, seconds=_ADDRESS_SECONDS)
        return f"{base}?permission={permission}"

    return wire.reconstruction(file, start, end, table_of=lambda xorb: packs[xorb][1], address_of=address_of)


async def fetch_pack(request: Request) -> Response:
    """Answer a range of the chunks of a bucket's file; the address itself is the permission."""
    facts = Grants(local_hub(request).keys).check(_PACK, request.query_params.get("permission", ""))
    stored, size = await asyncio.to_thread(_stored, request, facts)
    span = wanted_span(request, size)
    first, last = (0, size - 1) if span is None else (span.start, span.end - 1)
    if not facts["first"] <= first <= last <= facts["last"]:
        raise HubError(403, "This address is for other bytes")
    return part_of(request, size, partial(stored.pack_blocks, facts["chunk"]))


def _content(request: Request, uid: str, xet_hash: str) -> Stored | None:
    buckets = local_hub(request).buckets
    try:
        bucket = buckets.by_uid(uid)
    except HubError:
        return None  # a repository's, which keeps its large files elsewhere
    return buckets.contents.by_hash(uid, buckets.folder(bucket), xet_hash)


def _stored(request: Request, facts: dict[str, Any]) -> tuple[Stored, int]:
    buckets = local_hub(request).buckets
    folder = buckets.folder(buckets.by_uid(facts["bucket"]))
    stored = buckets.contents.stored(facts["bucket"], folder, facts["path"], facts["hash"])
    return stored, stored.content.pack_size(facts["chunk"])


routes = [Route("/cas/{store}/packs", fetch_pack, methods=["GET"])]
