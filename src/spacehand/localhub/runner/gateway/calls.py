"""Gradio's calls in two requests: one leaves it, one fetches its result, and both are one replica's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Scope, Send

_LEFT = re.compile(r"/call/(?:v2/)?[^/]+\Z")
_FETCHED = re.compile(r"/call/(?:v2/)?[^/]+/([A-Za-z0-9_-]{1,64})\Z")
_EVENT = re.compile(rb'"event_id"\s*:\s*"([A-Za-z0-9_-]{1,64})"')
_LONGEST_ANSWER = 4096  # bytes in which the event is looked for
_KEPT = 1_000  # calls of one Space


class Calls:
    """Which replica took which of the last calls of one Space, for clients that keep no cookie."""

    def __init__(self) -> None:
        self._takers: dict[str, str] = {}  # by the call's event, the oldest first

    def taker(self, scope: Scope) -> str | None:
        """Return the name of the replica that has the result which *scope* asks for, if that is known."""
        found = _FETCHED.search(scope["path"])
        return self._takers.get(found[1]) if found else None

    def noting(self, scope: Scope, send: Send, name: str) -> Send:
        """Return what to answer with: where a call is left, it is noted that the replica *name* has it."""
        if scope["type"] != "http" or scope["method"] != "POST" or not _LEFT.search(scope["path"]):
            return send
        answer = bytearray()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.body" and len(answer) < _LONGEST_ANSWER:
                answer.extend(message.get("body", b""))
                if found := _EVENT.search(answer):
                    self._takers[found[1].decode()] = name
                    while len(self._takers) > _KEPT:
                        del self._takers[next(iter(self._takers))]
            await send(message)

        return note
