"""
A server that says what the official client needs to hear, drops all it is sent, and sends zeros.

It is the floor for a transfer: what the client, loopback and an HTTP server in Python cost. No disk, no hash.
"""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

CHUNK = 65536  # bytes of a zero chunk, before its header of 8
CHUNKS = 1023  # in one xorb, so that it stays below 64 MiB
_SIZE = CHUNK.to_bytes(3, "little")
XORB = (b"\0" + _SIZE + b"\0" + _SIZE + bytes(CHUNK)) * CHUNKS
FILE_HASH = "f" * 64
SHA256 = "a" * 64
COMMIT = "c" * 40
_BLOCK = 1024 * 1024

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class NullServer:
    """An ASGI application; *size* is that of every file it sends, *xet* whether it offers Xet for it."""

    def __init__(self, size: int, *, xet: bool) -> None:
        self.size = size
        self.xet = xet
        self.url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        path, method = scope["path"], scope["method"]
        if "/resolve/" in path:
            await self._resolve(method, send)
        elif "/cas/xorb/" in path:
            first, last = _range(scope, len(XORB))
            await _send(send, XORB[first : last + 1], 206)
        elif "/xet-" in path:
            await self._token(send)
        else:
            sent = await _drop(receive, keep=path.endswith(("/batch", "/preupload/main")))
            await _send(send, *self._answer(path, scope, sent))

    async def _token(self, send: Send) -> None:
        headers = {"X-Xet-Cas-Url": f"{self.url}/cas", "X-Xet-Access-Token": "none"}
        headers["X-Xet-Token-Expiration"] = "4000000000"
        body = json.dumps({"casUrl": f"{self.url}/cas", "accessToken": "none", "exp": 4_000_000_000})
        await _send(send, body.encode(), 200, headers)

    def _answer(self, path: str, scope: Scope, sent: bytes) -> tuple[bytes, int]:
        if path.endswith("/preupload/main"):
            files = [{"path": file["path"], "uploadMode": "lfs"} for file in json.loads(sent)["files"]]
            return _json({"files": [file | {"shouldIgnore": False} for file in files]})
        if path.endswith("/objects/batch"):
            rows = json.loads(sent)["objects"]
            href = {"upload": {"href": f"{self.url}/drop", "header": {}}}
            return _json({"transfer": "basic", "objects": [row | {"actions": href} for row in rows]})
        if path.startswith("/cas/v1/xorbs/"):
            return _json({"was_inserted": True})
        if path == "/cas/v1/shards":
            return _json({"result": 1})
        if path.startswith("/cas/v1/reconstructions/"):
            return self._reconstruction(scope)
        if "/commit/" in path:
            url = f"{self.url}/bench/file/commit/{COMMIT}"
            return _json({"success": True, "commitOid": COMMIT, "commitUrl": url, "hookOutput": ""})
        return _json({}, 200 if path in ("/drop", "/cas/v1/telemetry") else 404)

    def _reconstruction(self, scope: Scope) -> tuple[bytes, int]:
        start, last = _range(scope, self.size)
        if start >= self.size:
            return _json({}, 416)
        terms: list[dict[str, Any]] = []
        fetch: dict[str, Any] = {}
        whole = CHUNKS * CHUNK
        for number in range(start // whole, last // whole + 1):
            chunks = range(
                max(0, start - number * whole) // CHUNK, min(CHUNKS, (last - number * whole) // CHUNK + 1)
            )
            name = f"{number:064x}"
            span = {"start": chunks.start, "end": chunks.stop}
            terms.append({"hash": name, "unpacked_length": len(chunks) * CHUNK, "range": span})
            stored = {"start": chunks.start * (CHUNK + 8), "end": chunks.stop * (CHUNK + 8) - 1}
            fetch[name] = [{"range": span, "url": f"{self.url}/cas/xorb/{name}", "url_range": stored}]
        return _json({"offset_into_first_range": start % CHUNK, "terms": terms, "fetch_info": fetch})

    async def _resolve(self, method: str, send: Send) -> None:
        headers = {
            "X-Repo-Commit": COMMIT,
            "ETag": f'"{SHA256}"',
            "X-Linked-ETag": f'"{SHA256}"',
            "X-Linked-Size": str(self.size),
            "Accept-Ranges": "bytes",
        }
        if self.xet:
            headers["X-Xet-Hash"] = FILE_HASH
            headers["Link"] = f'<{self.url}/api/models/bench/file/xet-read-token/main>; rel="xet-auth"'
        await _start(send, 200, self.size, headers)
        left = self.size if method == "GET" else 0
        zeros = bytes(_BLOCK)
        while left > 0:
            await send({"type": "http.response.body", "body": zeros[:left], "more_body": True})
            left -= _BLOCK
        await send({"type": "http.response.body"})


def _range(scope: Scope, size: int) -> tuple[int, int]:
    header = dict(scope["headers"]).get(b"range", b"").decode()
    match = re.match(r"bytes=(\d+)-(\d*)", header)
    if match is None:
        return 0, size - 1
    return int(match[1]), min(int(match[2] or size), size - 1)


def _json(value: object, status: int = 200) -> tuple[bytes, int]:
    return json.dumps(value).encode(), status


async def _drop(receive: Receive, *, keep: bool) -> bytes:
    kept = b""
    while (message := await receive())["type"] == "http.request":
        if keep:
            kept += message.get("body", b"")
        if not message.get("more_body"):
            break
    return kept


async def _start(send: Send, status: int, size: int, headers: dict[str, str]) -> None:
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    raw.append((b"content-length", str(size).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _send(send: Send, body: bytes, status: int, headers: dict[str, str] | None = None) -> None:
    await _start(send, status, len(body), {"Content-Type": "application/json", **(headers or {})})
    for start in range(0, len(body), _BLOCK):
        await send({"type": "http.response.body", "body": body[start : start + _BLOCK], "more_body": True})
    await send({"type": "http.response.body"})


def main() -> None:
    """Run ``SIZE xet|lfs`` on a free port and print the address."""
    app = NullServer(int(sys.argv[1]), xet=sys.argv[2] == "xet")
    listener = socket.create_server(("127.0.0.1", 0))
    app.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    print(app.url, flush=True)
    config = uvicorn.Config(
        app, loop="uvloop", http="httptools", lifespan="off", log_level="error", access_log=False
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
