"""What must move so that a repository holds exactly a given set of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spacehand.hub._protocol import LocalFile, RemoteFile
from spacehand.hub.digests import Digest, Digests

# The Hub writes this one itself when it creates a repository; only a file of one's own replaces it.
_THE_HUBS_OWN = frozenset({".gitattributes"})


@dataclass(frozen=True, slots=True)
class FileChanges:
    """The difference between local files and a repository at one revision."""

    add: tuple[LocalFile, ...]  # new there, or with other bytes
    delete: tuple[str, ...]  # there, but not among the local files
    unchanged: tuple[str, ...]
    bytes: int  # of the files in *add*

    def __bool__(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.add or self.delete)


def changes(local: Sequence[LocalFile], remote: Mapping[str, RemoteFile], digests: Digests) -> FileChanges:
    """
    Return what a commit must add and delete; a file is read only when its size alone does not tell.

    Raises:
        OSError: a local file cannot be read.
    """
    add = tuple(file for file in local if not _is_there(file, remote.get(file.path), digests))
    moving = {file.path for file in add}
    paths = {file.path for file in local}
    return FileChanges(
        add=add,
        delete=tuple(sorted(path for path in remote if path not in paths and path not in _THE_HUBS_OWN)),
        unchanged=tuple(file.path for file in local if file.path not in moving),
        bytes=sum(size(file) for file in add),
    )


def size(file: LocalFile) -> int:
    """Return how many bytes *file* has."""
    if file.content is not None:
        return len(file.content)
    return file.source.stat().st_size if file.source else 0


def digest(file: LocalFile, digests: Digests) -> Digest:
    """Return the digest of *file*, wherever its bytes are."""
    if file.source is not None and file.content is None:
        return digests.digest(file.source)
    return Digest.of(file.content or b"")


def _is_there(file: LocalFile, remote: RemoteFile | None, digests: Digests) -> bool:
    if remote is None or remote.size != size(file):
        return False
    ours = digest(file, digests)
    return ours.sha256 == remote.sha256 if remote.sha256 else ours.git_oid == remote.git_oid
