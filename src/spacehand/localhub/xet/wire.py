"""What Xet clients read: tokens, and how a file is put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from spacehand.localhub.xet.chunks import ChunkTable
from spacehand.localhub.xet.merkle import to_text
from spacehand.localhub.xet.shards import Term
from spacehand.localhub.xet.store import XetFile

TableOf = Callable[[str], ChunkTable]
AddressOf = Callable[[str, int, int], str]  # xorb, first and last offset (inclusive) → URL


def connection(url: str, token: str, expires: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Return body and headers that tell a client where the store is; clients read the one or the other."""
    body = {"casUrl": url, "accessToken": token, "exp": expires}
    headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": token, "X-Xet-Token-Expiration": str(expires)}
    return body, headers


def reconstruction(
    file: XetFile, start: int, end: int, *, table_of: TableOf, address_of: AddressOf
) -> dict[str, Any]:
    """Return which chunks give the bytes *start* to *end* (exclusive) of *file*, and where they lie."""
    cuts = list(_cuts(file, start, end, table_of))
    return {
        "offset_into_first_range": cuts[0].skipped if cuts else 0,
        "terms": [_term(cut) for cut in cuts],
        "fetch_info": _fetch_info(cuts, table_of, address_of),
    }


@dataclass(frozen=True, slots=True)
class _Cut:
    """What is needed of a term; *skipped* bytes of its first chunk lie before the wanted ones."""

    xorb: str
    size: int
    start: int
    end: int
    skipped: int


def _cuts(file: XetFile, start: int, end: int, table_of: TableOf) -> Iterator[_Cut]:
    position = 0
    for term in file.terms:
        if position >= end:
            return
        if position + term.size > start:
            yield _cut(term, start - position, end - position, table_of(to_text(term.xorb)))
        position += term.size


def _cut(term: Term, start: int, end: int, table: ChunkTable) -> _Cut:
    """Return the chunks of *term* that hold its bytes *start* to *end*; both may lie outside of it."""
    first, before = term.start, 0
    while before + table.sizes[first] <= start:
        before += table.sizes[first]
        first += 1
    last, size = first, 0
    while last < term.end and before + size < end:
        size += table.sizes[last]
        last += 1
    return _Cut(to_text(term.xorb), size, first, last, max(0, start - before))


def _term(cut: _Cut) -> dict[str, Any]:
    return {"hash": cut.xorb, "unpacked_length": cut.size, "range": {"start": cut.start, "end": cut.end}}


def _fetch_info(cuts: Sequence[_Cut], table_of: TableOf, address_of: AddressOf) -> dict[str, Any]:
    needed: dict[str, list[tuple[int, int]]] = {}
    for cut in cuts:
        needed.setdefault(cut.xorb, []).append((cut.start, cut.end))
    answer = {}
    for xorb, ranges in needed.items():
        table = table_of(xorb)
        answer[xorb] = [_fetch(xorb, start, end, table, address_of) for start, end in _merged(ranges)]
    return answer


def _merged(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield *ranges* in order, those that touch as one: clients look a chunk up in the first that fits."""
    ordered = sorted(ranges)
    start, end = ordered[0]
    for next_start, next_end in ordered[1:]:
        if next_start > end:
            yield start, end
            start, end = next_start, next_end
        end = max(end, next_end)
    yield start, end


def _fetch(xorb: str, start: int, end: int, table: ChunkTable, address_of: AddressOf) -> dict[str, Any]:
    first, behind = table.stored_range(start, end)
    return {
        "range": {"start": start, "end": end},
        "url": address_of(xorb, first, behind - 1),
        "url_range": {"start": first, "end": behind - 1},
    }
