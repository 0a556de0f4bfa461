"""The answer that carries one file: its headers, and its bytes or a part of them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from spacehand.localhub.files.content_type import GUARDS, content_disposition, content_type
from spacehand.localhub.repos.snapshot import Entry
from spacehand.localhub.repos.store import Repo
from spacehand.localhub.request import endpoint, local_hub
from spacehand.localhub.transfer import Span, one_ahead, wanted_span

_EXPOSED = (
    "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,ETag,Link,Accept-Ranges,Content-Range,"
    "X-Linked-Size,X-Linked-ETag,X-Xet-Hash"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A file of one commit; *content* is what git holds, None where the bytes lie in the object store."""

    repo: Repo
    commit: str
    entry: Entry
    content: bytes | None

    @property
    def size(self) -> int:
        return self.entry.size if self.content is None else len(self.content)

    @property
    def etag(self) -> str:
        is_large = self.content is None and self.entry.lfs_sha256
        return f'"{self.entry.lfs_sha256 if is_large else self.entry.oid}"'


def answer(request: Request, found: Found) -> Response:
    """
    Return the response to a GET or HEAD of *found*, never compressed.

    Raises:
        HubError: 416, the part asked for begins after the end.
    """
    headers = _headers(request, found)
    if is_unchanged(request, found.etag):
        return Response(status_code=304, headers=headers)
    is_same = request.headers.get("if-range", found.etag) == found.etag
    span = wanted_span(request, found.size) if is_same else None
    status = 200 if span is None else 206
    if span is None:
        span = Span(0, found.size, found.size)
    else:
        headers["Content-Range"] = span.header
    headers["Content-Length"] = str(span.end - span.start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    if found.content is not None:
        return Response(found.content[span.start : span.end], status, headers)
    sha256 = found.entry.lfs_sha256 or ""
    source = local_hub(request).objects.stream(sha256, span.start, span.end)
    return StreamingResponse(one_ahead(source), status, headers)


def is_unchanged(request: Request, etag: str) -> bool:
    """Whether the client has what *etag* names already."""
    return etag in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]


def file_headers(request: Request, path: str, sample: bytes | None) -> dict[str, str]:
    """Return what the answer with any file *path* says; *sample* is its beginning, where that is at hand."""
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache",
        "Content-Type": content_type(path, sample),
        "Content-Disposition": content_disposition(path, download="download" in request.query_params),
        "Access-Control-Expose-Headers": _EXPOSED,
        "Vary": "Origin",
        **GUARDS,
    }
    if origin := _neighbour(request):
        headers["Access-Control-Allow-Origin"] = origin
    return headers


def _headers(request: Request, found: Found) -> dict[str, str]:
    headers = file_headers(request, found.entry.path, found.content)
    headers |= {"X-Repo-Commit": found.commit, "ETag": found.etag}
    if found.content is None:
        headers |= _large_file_headers(request, found)
    return headers


def _large_file_headers(request: Request, found: Found) -> dict[str, str]:
    headers = {"X-Linked-ETag": found.etag, "X-Linked-Size": str(found.size)}
    xet_hash = local_hub(request).objects.xet_hash(found.entry.lfs_sha256 or "")
    if xet_hash is not None:
        headers["X-Xet-Hash"] = xet_hash
        repo = f"{found.repo.kind.plural}/{quote(str(found.repo.id))}"
        token = f"{endpoint(request)}/api/{repo}/xet-read-token/{found.commit}"
        headers["Link"] = f'<{token}>; rel="xet-auth"'
    return headers


def _neighbour(request: Request) -> str | None:
    """
    Return the page's origin if it is on this machine: a static Space may fetch a model from the Hub.

    Sites on the internet may not: what is public here is public to this machine.
    """
    origin = request.headers.get("origin", "")
    host = urlsplit(origin).hostname or ""
    is_here = host in ("localhost", "127.0.0.1", "::1") or host.endswith(".localhost")
    return origin if is_here else None
