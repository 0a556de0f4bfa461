"""git-lfs over HTTP: batches, uploads, downloads."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spacehand.ids import RepoKind
from spacehand.localhub.errors import HubError
from spacehand.localhub.lfs.copies import routes as copies
from spacehand.localhub.lfs.wire import MEDIA_TYPE, Batch, Operation, Pointer, batch_answer, refused_row, row
from spacehand.localhub.repos.store import Repo
from spacehand.localhub.request import (
    caller,
    downloadable_repo,
    endpoint,
    json_body,
    local_hub,
    part,
    writable_repo,
)
from spacehand.localhub.store.grants import Grants
from spacehand.localhub.store.incoming import in_thread
from spacehand.localhub.transfer import body, part_of

_ADDRESS_SECONDS = 3600  # a batch may name files that are sent one after the other
_UPLOAD = "lfs-upload"
_DOWNLOAD = "lfs-download"


async def batch(kind: RepoKind, request: Request) -> Response:
    """Answer where large files are to be sent, or fetched from."""
    wanted = Batch.parse(await json_body(request))
    uploading = wanted.operation is Operation.UPLOAD
    try:
        repo = writable_repo(request, kind) if uploading else downloadable_repo(request, kind)
    except HubError as error:
        raise _challenge(request, error) from None
    answer = await in_thread(_Addresses(request, repo).answer, wanted)
    return JSONResponse(answer, media_type=MEDIA_TYPE)


async def upload(request: Request) -> Response:
    """Take in the bytes of one file; the address itself is the permission."""
    hub = local_hub(request)
    pointer, repo = _granted(request, _UPLOAD)
    await hub.objects.receive(body(request), pointer.sha256, pointer.size)
    await in_thread(_hold, request, repo, pointer)
    return Response()


async def verify(request: Request) -> Response:
    """Confirm that a file has arrived."""
    pointer, repo = _granted(request, _UPLOAD)
    claimed = Pointer.parse(await json_body(request))
    if claimed != pointer or not local_hub(request).objects.holds(repo, pointer.sha256):
        raise HubError(404, f"The file {claimed.sha256} has not arrived")
    return Response()


async def download(request: Request) -> Response:
    """Answer the bytes of one file, or a range of them; the address itself is the permission."""
    objects = local_hub(request).objects
    pointer, _repo = _granted(request, _DOWNLOAD)
    size = objects.size(pointer.sha256)
    headers = {"ETag": f'"{pointer.sha256}"'}
    return part_of(request, size, partial(objects.stream, pointer.sha256), headers)


async def locks(_request: Request) -> Response:
    """Answer that there are no locks here; git-lfs then goes on without."""
    return JSONResponse({"message": "Locking is not supported"}, 404, media_type=MEDIA_TYPE)


class _Addresses:
    """The addresses for one batch."""

    def __init__(self, request: Request, repo: Repo) -> None:
        self._hub = local_hub(request)
        self._repo = repo
        self._base = f"{endpoint(request)}/lfs/objects"
        self._grants = Grants(self._hub.keys)

    def answer(self, wanted: Batch) -> dict[str, object]:
        make = self._upload if wanted.operation is Operation.UPLOAD else self._download
        return batch_answer([make(pointer) for pointer in wanted.pointers])

    def _upload(self, pointer: Pointer) -> dict[str, object]:
        # Bytes that another repository has are sent again: knowing their hash is no right to them.
        if self._hub.objects.holds(self._repo.uid, pointer.sha256):
            return row(pointer)
        address = self._address(_UPLOAD, pointer)
        return row(pointer, upload=address, verify=address.replace("?", "/verify?", 1))

    def _download(self, pointer: Pointer) -> dict[str, object]:
        if not self._hub.objects.holds(self._repo.uid, pointer.sha256):
            return refused_row(pointer, 404, "The repository has no such file")
        return row(pointer, download=self._address(_DOWNLOAD, pointer))

    def _address(self, purpose: str, pointer: Pointer) -> str:
        facts: dict[str, str | int] = {"sha256": pointer.sha256, "size": pointer.size, "repo": self._repo.uid}
        permission, _ = self._grants.give(purpose, facts, seconds=_ADDRESS_SECONDS)
        return f"{self._base}/{pointer.sha256}?permission={permission}"


def _granted(request: Request, purpose: str) -> tuple[Pointer, str]:
    """
    Return what the request's address permits, and the uid of the repository it is for.

    Raises:
        HubError: 403.
    """
    permission = request.query_params.get("permission", "")
    facts = Grants(local_hub(request).keys).check(purpose, permission)
    if facts["sha256"] != part(request, "sha256"):
        raise HubError(403, "This address is for another file")
    return Pointer(facts["sha256"], facts["size"]), facts["repo"]


def _hold(request: Request, repo: str, pointer: Pointer) -> None:
    hub = local_hub(request)
    with hub.database.write() as connection:
        hub.objects.hold(connection, repo, pointer.sha256)


def _challenge(request: Request, error: HubError) -> HubError:
    """git and git-lfs ask for a password only when they are told to."""
    if error.status in (401, 404) and caller(request).name is None:
        error.status = 401
        error.headers["WWW-Authenticate"] = 'Basic realm="spacehand"'
    return error


def _repo_routes(kind: RepoKind) -> list[Route]:
    base = f"/{kind.web_prefix}{{owner}}/{{name}}/info/lfs"
    return [
        Route(f"{base}/objects/batch", partial(batch, kind), methods=["POST"]),
        Route(f"{base}/locks", locks, methods=["GET", "POST"]),
        Route(f"{base}/locks/{{path:path}}", locks, methods=["GET", "POST"]),
    ]


routes = [
    *copies,
    *(route for kind in RepoKind for route in _repo_routes(kind)),
    Route("/lfs/objects/{sha256}", upload, methods=["PUT"]),
    Route("/lfs/objects/{sha256}", download, methods=["GET"]),
    Route("/lfs/objects/{sha256}/verify", verify, methods=["POST"]),
]
