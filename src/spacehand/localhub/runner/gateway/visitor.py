"""Who asks a Space of several replicas: what he was told to be known by, or calls himself."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.datastructures import Headers

from spacehand.localhub.runner.gateway.entrance import REPLICA_COOKIE

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope

    from spacehand.localhub.repos.store import Repo

# Gradio's own name for one page, or one client: in queries, in paths, and in the JSON that joins the queue.
_IN_BODY = re.compile(rb'"session_hash"\s*:\s*"([A-Za-z0-9_-]{1,64})"')
_IN_PATH = re.compile(r"/(?:heartbeat|stream)/([A-Za-z0-9_-]{1,64})(?:/|\Z)")
_LONGEST_BODY = 1 << 20  # bytes of JSON that are read before it is known who shall get them


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever sends a request."""

    given: str | None = None  # the replica that answered before, by its cookie
    session: str | None = None


def known(headers: Headers, repo: Repo) -> Visitor:
    """Return who asks, as far as a cookie tells."""
    for pair in headers.get("cookie", "").split(";"):
        key, _, value = pair.partition("=")
        if key.strip() == cookie_name(repo):
            return Visitor(value.strip())
    return Visitor()


async def recognize(scope: Scope, receive: Receive) -> tuple[Visitor, Receive]:
    """
    Return who asks without a cookie, and what to receive the request from.

    Something of it may be read already.
    """
    query = scope.get("query_string", b"").decode("latin-1")
    session = dict(parse_qsl(query)).get("session_hash")
    if session is None and (found := _IN_PATH.search(scope["path"])):
        session = found[1]
    if session is None and _may_tell(scope):
        body = _Body(receive)
        session, receive = await body.session(), body.receive
    return Visitor(None, session), receive


def introduction(scope: Scope, repo: Repo, name: str) -> tuple[bytes, bytes]:
    """Return the header that has a visitor come back to the replica *name*, for as long as he is here."""
    about = b"Path=/; HttpOnly; SameSite=Lax"
    if (b"sec-fetch-dest", b"iframe") in scope["headers"]:
        # Below a page of another site (the Hub's) a cookie needs SameSite=None, and that Secure; browsers
        # count this machine as secure. Clients that are no browsers would not send it back over HTTP.
        about = b"Path=/; HttpOnly; Secure; SameSite=None; Partitioned"
    return b"set-cookie", b"%b=%b; %b" % (cookie_name(repo).encode(), name.encode(), about)


def cookie_name(repo: Repo) -> str:
    """Return the cookie's name; 127.0.0.1 has one cookie jar for all ports, so each Space has its own."""
    return f"{REPLICA_COOKIE}{repo.uid[:12]}"


def _may_tell(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    length = headers.get("content-length", "")
    return (
        scope["type"] == "http"
        and headers.get("content-type", "").startswith("application/json")
        and length.isdecimal()
        and int(length) <= _LONGEST_BODY
    )


class _Body:
    """A request's body, read early and handed on as it came."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: deque[Message] = deque()

    async def session(self) -> str | None:
        body, more = b"", True
        while more:
            message = await self._receive()
            self._read.append(message)
            body += message.get("body", b"")
            more = message.get("more_body", False)
        found = _IN_BODY.search(body)
        return found[1].decode() if found else None

    async def receive(self) -> Message:
        return self._read.popleft() if self._read else await self._receive()
