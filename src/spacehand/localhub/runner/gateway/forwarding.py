"""What changes on the way to an app and back: headers, and what of the Hub's own stays behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope

RawHeaders = list[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_TOLD_ANEW = frozenset({b"expect", b"cookie", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"})
_NOT_FOR_THE_APP = _HOP_BY_HOP | _TOLD_ANEW


_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class AppUnreachableError(Exception):
    """The app took no connection; nothing of the request was passed on, nothing was answered."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What changes on the way: the headers and the query as the app sees them, and what its answer gains."""

    headers: RawHeaders
    query: bytes
    answer_headers: RawHeaders
    drop_cookies: tuple[str, ...] = ()  # how no name in an app's Set-Cookie may begin


def is_repeatable(scope: Scope) -> bool:
    """Return whether a request may be sent again when it is not known what became of it."""
    names = {name for name, _ in scope["headers"]}
    has_body = b"transfer-encoding" in names or b"content-length" in names
    return scope["type"] == "http" and scope["method"] in _REPEATABLE and not has_body


def forwarded_headers(
    scope: Scope,
    *,
    scheme: str = "http",
    without: Iterable[bytes] = (),
    cookies_without: tuple[str, ...] = (),
) -> RawHeaders:
    """
    Return the request's headers as the app shall see them.

    Hop-by-hop headers and those in *without* are gone, and cookies whose names begin as in *cookies_without*.
    There is exactly one more entry in ``X-Forwarded-For``; ``X-Forwarded-Host`` and ``-Proto`` are what this
    Hub saw.
    """
    headers: RawHeaders = scope["headers"]
    dropped = _NOT_FOR_THE_APP | _named_in_connection(headers)
    if without:
        dropped |= frozenset(without)
    kept = [header for header in headers if header[0] not in dropped]
    told = dict(headers)
    if b"cookie" in told and (cookies := _cookies(headers, cookies_without)):
        kept.append((b"cookie", cookies))
    client = scope.get("client")
    hops = client[0].encode() if client else b"127.0.0.1"
    if b"x-forwarded-for" in told:
        hops = b", ".join([*(value for name, value in headers if name == b"x-forwarded-for"), hops])
    kept.append((b"x-forwarded-for", hops))
    kept.append((b"x-forwarded-proto", scheme.encode()))
    kept.append((b"x-forwarded-host", told.get(b"host", b"")))
    return kept


# Of these an answer may have several: a browser keeps all cookies, and holds a page to every policy.
_ADDED = frozenset({b"set-cookie", b"content-security-policy"})


def answer_headers(headers: RawHeaders, passage: Passage) -> RawHeaders:
    """Return the *headers* of an app's answer, names in lower case, as the caller shall see them."""
    dropped = _HOP_BY_HOP | _named_in_connection(headers)
    if passage.answer_headers:
        dropped |= {name for name, _ in passage.answer_headers} - _ADDED
    kept = [
        header
        for header in headers
        if header[0] not in dropped
        and not (header[0] == b"set-cookie" and _cookie_name(header[1]).startswith(passage.drop_cookies))
    ]
    return kept + passage.answer_headers


def _named_in_connection(headers: RawHeaders) -> frozenset[bytes]:
    named: frozenset[bytes] = frozenset()
    for name, value in headers:
        if name == b"connection":
            named |= {word.strip().lower() for word in value.split(b",")}
    return named


def _cookies(headers: RawHeaders, without: tuple[str, ...]) -> bytes:
    pairs = [
        pair.strip()
        for name, value in headers
        if name == b"cookie"
        for pair in value.split(b";")
        if pair.strip()
    ]
    return b"; ".join(pair for pair in pairs if not _cookie_name(pair).startswith(without))


def _cookie_name(pair: bytes) -> str:
    return pair.partition(b"=")[0].strip().decode("latin-1")
