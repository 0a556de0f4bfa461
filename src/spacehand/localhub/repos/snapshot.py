"""A repository's files at one commit, large ones included."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import FileMode, ObjectType

from spacehand.errors import ConfigError
from spacehand.localhub.errors import HubError, entry_not_found, revision_not_found

if TYPE_CHECKING:
    from spacehand.localhub.store.objects import Objects

_POINTER = re.compile(
    rb"\Aversion https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n?\Z"
)
_MAX_POINTER = 200  # bytes; a pointer that a client wrote is some 130
_SHA = re.compile(r"[0-9a-f]{7,40}\Z")


@dataclass(frozen=True, slots=True)
class Pointer:
    """What git holds in place of a large file."""

    sha256: str
    size: int  # bytes of the large file

    @classmethod
    def parse(cls, blob: bytes) -> Pointer | None:
        """Return the pointer that *blob* is, or None when it is an ordinary file."""
        match = _POINTER.match(blob) if len(blob) <= _MAX_POINTER else None
        return cls(match[1].decode(), int(match[2])) if match else None

    def to_bytes(self) -> bytes:
        """Return the text that git is to hold."""
        lines = (
            "version https://git-lfs.github.com/spec/v1",
            f"oid sha256:{self.sha256}",
            f"size {self.size}",
        )
        return "".join(f"{line}\n" for line in lines).encode()


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or folder."""

    path: str
    is_dir: bool
    oid: str  # git's sha1: of the pointer, for a large file
    size: int  # bytes of the real content; 0 for a folder
    lfs_sha256: str | None = None
    pointer_size: int | None = None  # bytes
    mode: int = FileMode.BLOB


class Snapshot:
    """The files of one commit; for the thread that made it."""

    def __init__(self, git: pygit2.Repository, commit: pygit2.Commit, objects: Objects) -> None:
        self._git = git
        self._objects = objects
        self.commit = commit
        self.sha = str(commit.id)

    def entries(self, path: str = "", *, recursive: bool = False) -> list[Entry]:
        """
        Return what lies in the folder *path*, each folder before what is in it.

        Raises:
            HubError: 404, no such folder.
        """
        found = self._find(path.strip("/"))
        if not isinstance(found, pygit2.Tree):
            raise entry_not_found(path)
        prefix = f"{path.strip('/')}/" if path.strip("/") else ""
        return list(self._walk(found, prefix, recursive=recursive))

    def entry(self, path: str) -> Entry | None:
        """Return the file or folder *path*, or None."""
        found = self._find(path.strip("/"))
        return None if found is None or not path.strip("/") else self._entry(path.strip("/"), found)

    def read(self, path: str) -> bytes:
        """
        Return a file's bytes, whole: for small files only.

        Raises:
            HubError: 404, no such file.
        """
        entry = self.entry(path)
        if entry is None or entry.is_dir:
            raise entry_not_found(path)
        if entry.lfs_sha256 is not None:
            return b"".join(self._objects.stream(entry.lfs_sha256))
        return self.blob(entry)

    def text(self, path: str) -> str | None:
        """Return a small text file, or None when there is no such file; bytes that are no UTF-8 become �."""
        entry = self.entry(path)
        if entry is None or entry.is_dir or entry.lfs_sha256 is not None:
            return None
        return self.blob(entry).decode("utf-8", "replace")

    def blob(self, entry: Entry) -> bytes:
        """Return what git itself holds: of a large file, the pointer."""
        data: bytes = self._git[entry.oid].data
        return data

    def materialize(self, target: Path, *, only: Collection[str] | None = None) -> None:
        """
        Write all files, or *only* some, to the folder *target*; all of it, or nothing.

        It must not exist, or be empty.

        Raises:
            ConfigError: a symbolic link, or a path that would leave *target*.
            HubError: 404, a large file's content was never uploaded.
        """
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        partial.mkdir(parents=True)
        try:
            for entry in self.entries(recursive=True):
                if only is None or entry.path in only:
                    (partial / entry.path).parent.mkdir(parents=True, exist_ok=True)
                    self._write(entry, partial)
            partial.replace(target)  # an empty folder gives way; one with files in it is an error
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def _write(self, entry: Entry, root: Path) -> None:
        parts = PurePosixPath(entry.path).parts
        if entry.path.startswith("/") or any(part in ("..", ".git") or "\0" in part for part in parts):
            raise ConfigError(f"`{entry.path}` would leave the folder", where=entry.path)
        if entry.mode == FileMode.LINK:
            raise ConfigError(
                f"`{entry.path}` is a symbolic link",
                where=entry.path,
                hint="Commit the file itself in place of the link",
            )
        target = root.joinpath(*parts)
        if entry.is_dir:
            target.mkdir(exist_ok=True)
        elif entry.mode == FileMode.COMMIT:
            target.mkdir(exist_ok=True)  # a submodule: git, too, leaves an empty folder
        elif entry.lfs_sha256 is None:
            target.write_bytes(self.blob(entry))
        elif self._objects.has(entry.lfs_sha256):
            self._objects.write_to(entry.lfs_sha256, target)
        else:
            raise HubError(404, f"The content of `{entry.path}` was never uploaded", code="EntryNotFound")
        if entry.mode == FileMode.BLOB_EXECUTABLE:
            target.chmod(0o755)

    def _find(self, path: str) -> pygit2.Object | None:
        if not path:
            return self.commit.tree
        try:
            return self.commit.tree[path]
        except (KeyError, ValueError):
            return None

    def _walk(self, tree: pygit2.Tree, prefix: str, *, recursive: bool) -> Iterator[Entry]:
        for found in sorted(tree, key=lambda item: str(item.name)):
            path = f"{prefix}{found.name}"
            yield self._entry(path, found)
            if recursive and isinstance(found, pygit2.Tree):
                yield from self._walk(found, f"{path}/", recursive=True)

    def _entry(self, path: str, found: pygit2.Object) -> Entry:
        oid, mode = str(found.id), int(found.filemode)
        if isinstance(found, pygit2.Tree):
            return Entry(path, True, oid, 0, mode=mode)
        if mode == FileMode.COMMIT:
            return Entry(path, False, oid, 0, mode=mode)
        # The header tells the size without the content, of which only what may be a pointer is read.
        kind, size = self._git.odb.read_header(found.id)
        pointer = Pointer.parse(found.data) if kind == ObjectType.BLOB and size <= _MAX_POINTER else None
        if pointer is None:
            return Entry(path, False, oid, size, mode=mode)
        return Entry(path, False, oid, pointer.size, pointer.sha256, size, mode)


def resolve(git: pygit2.Repository, revision: str) -> pygit2.Commit:
    """
    Return the commit that *revision* names.

    Raises:
        HubError: 404.
    """
    for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
        if name.startswith("refs/") and (commit := _peel(git, name)) is not None:
            return commit
    if _SHA.match(revision):
        try:
            found = git.revparse_single(revision)
        except (KeyError, ValueError):  # unknown, or ambiguous
            raise revision_not_found(revision) from None
        if isinstance(found, pygit2.Commit):
            return found
    raise revision_not_found(revision)


def _peel(git: pygit2.Repository, name: str) -> pygit2.Commit | None:
    try:
        commit: pygit2.Commit = git.references[name].peel(pygit2.Commit)
    except (KeyError, ValueError, pygit2.GitError):
        return None
    return commit
