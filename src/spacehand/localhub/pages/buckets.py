"""Pages of buckets: which there are, and the files in one."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from spacehand.localhub.buckets.access import readable_bucket
from spacehand.localhub.buckets.store import Bucket
from spacehand.localhub.pages.render import HEADERS, page, render
from spacehand.localhub.pages.repository import Crumb
from spacehand.localhub.request import caller, local_hub, may_read, part

_MAX_SHOWN = 1000  # files in a page


@page
def listing(request: Request) -> Response:
    """All buckets that the reader may see."""
    return render(request, "buckets.html", buckets=visible(request))


@page
def folder(request: Request) -> Response:
    """A folder of a bucket; at the top, with all that it holds."""
    bucket = readable_bucket(request)
    buckets = local_hub(request).buckets
    path = part(request, "path").strip("/") if "path" in request.path_params else ""
    entries = buckets.folder(bucket).entries(f"{path}/" if path else "", recursive=False)
    if path and not entries:
        buckets.folder(bucket).entry(path)  # there may be a file of that name
        return RedirectResponse(file_url(bucket, path), 303, HEADERS)
    parts = PurePosixPath(path).parts
    return render(
        request,
        "bucket.html",
        bucket=bucket,
        path=path,
        crumbs=[Crumb(name, "/".join(parts[: at + 1])) for at, name in enumerate(parts)],
        entries=sorted(entries, key=lambda entry: (not entry.is_dir, entry.path.lower()))[:_MAX_SHOWN],
        hidden=max(len(entries) - _MAX_SHOWN, 0),
        usage=buckets.usage(bucket),
        folder_url=folder_url,
        file_url=file_url,
    )


def visible(request: Request, owner: str | None = None, search: str = "") -> list[Bucket]:
    """Return the buckets that the reader may see."""
    found = local_hub(request).buckets.list(owner=owner, search=search)
    return [bucket for bucket in found if may_read(caller(request), bucket)]


def folder_url(bucket: Bucket, path: str = "") -> str:
    """Return the address of a folder's page."""
    return f"/buckets/{bucket.id}/tree/{quote(path)}" if path else f"/buckets/{bucket.id}"


def file_url(bucket: Bucket, path: str) -> str:
    """Return the address of a file's bytes."""
    return f"/buckets/{bucket.id}/resolve/{quote(path)}"


routes = [
    Route("/buckets", listing),
    Route("/buckets/{owner:account}/{name}", folder),
    Route("/buckets/{owner:account}/{name}/tree/{path:path}", folder),
]
