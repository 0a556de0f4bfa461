"""Serves a static Space from its checkout."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from starlette.responses import FileResponse, PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from spacehand.localhub.runner.address import FolderAddress
    from spacehand.localhub.runner.gateway.forwarding import Passage

_HEAD = re.compile(r"<head(?:\s[^>]*)?>", re.IGNORECASE)
_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)  # anything before it would mean quirks mode
_MAX_PAGE = 8 * 1024 * 1024  # bytes; a larger HTML file is sent as it is, without the variables


class StaticSite:
    """The files of one checkout, as an ASGI app; nothing outside it and no link leads out."""

    def __init__(self, address: FolderAddress) -> None:
        self._folder = address.path.resolve()
        self._index = address.index
        self._variables = dict(address.variables)

    async def close(self) -> None:
        """Nothing is held open."""

    async def http(self, scope: Scope, receive: Receive, send: Send, passage: Passage) -> None:
        """Answer GET and HEAD with a file, with its type and ranges; 404 where there is none."""
        response = self._answer(scope)
        for name, value in passage.answer_headers:
            response.headers.append(name.decode("latin-1"), value.decode("latin-1"))
        await response(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("A static Space only shows files", 405, {"Allow": "GET, HEAD"})
        path = self._find(unquote((scope.get("raw_path") or scope["path"].encode()).decode("latin-1")))
        if path is None:
            return PlainTextResponse("Not Found", 404)
        if path.suffix in (".html", ".htm") and path.stat().st_size <= _MAX_PAGE:
            page = path.read_text(encoding="utf-8", errors="surrogateescape")
            return Response(
                with_variables(page, self._variables).encode("utf-8", "surrogateescape"),
                media_type="text/html",
                headers={"Cache-Control": "no-cache"},
            )
        return FileResponse(path, headers={"Cache-Control": "no-cache"})

    def _find(self, path: str) -> Path | None:
        if "\0" in path:
            return None
        asked = path.lstrip("/")
        wanted = self._folder / (asked or self._index)
        try:
            found = wanted.resolve(strict=True)
            if found.is_dir():
                found = (found / "index.html").resolve(strict=True)
        except (OSError, RuntimeError):
            return None
        if not found.is_relative_to(self._folder) or not found.is_file():
            return None
        # A static Space shows all its files, but git's own folder is none of them.
        return None if ".git" in found.relative_to(self._folder).parts else found


def with_variables(page: str, variables: Mapping[str, str]) -> str:
    """Return the HTML *page* with ``window.huggingface.variables`` set before its own scripts run."""
    # `<` could end the script element; what else could harm, json.dumps writes as \uXXXX.
    text = json.dumps(dict(variables)).replace("<", "\\u003c")
    script = f"<script>window.huggingface={{variables:{text}}};</script>"
    head = _HEAD.search(page)
    if head is None:
        head = _DOCTYPE.match(page)
    end = head.end() if head else 0
    return page[:end] + script + page[end:]
