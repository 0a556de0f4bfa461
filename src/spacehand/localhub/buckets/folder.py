"""
A bucket's files, as they lie on disk.

Apps write to the same folder, and an app may be a stranger's: it may put a link in the place of a folder just
when that was looked at. So every name is opened from the folder above it, and links are never followed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spacehand.localhub.errors import HubError, entry_not_found
from spacehand.localhub.store.incoming import Incoming, full_disk_told

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, a pipe that an app left there would hold whoever opens it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEEPEST = 100  # names in a path; what lies deeper is not listed
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES, errno.EISDIR)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder in a bucket; times are nanoseconds since 1970."""

    path: str
    is_dir: bool
    size: int
    inode: int
    modified_ns: int  # as the writer says
    changed_ns: int  # as the system says: no app can set it

    @property
    def stamp(self) -> str:
        """Another one as soon as the file is another, or was written to."""
        return f"{self.inode}-{self.size}-{self.modified_ns}-{self.changed_ns}"

    def with_size(self, size: int) -> Entry:
        """Return the entry of a file of which *size* bytes were read."""
        return replace(self, size=size)


def parse_path(text: object) -> tuple[str, ...]:
    """
    Return the names on the way to a file.

    Raises:
        HubError: 422, *text* is no path inside a bucket.
    """
    if not isinstance(text, str):
        raise HubError(422, "`path` must be a text")
    parts = tuple(text.split("/"))
    if "\0" in text or any(name in ("", ".", "..") for name in parts):
        raise HubError(422, f"`{text[:200]}` is no path in a bucket")
    if len(parts) > _DEEPEST:
        raise HubError(422, f"`{text[:200]}…` is in more than {_DEEPEST - 1} folders")
    return parts


class Folder:
    """The files of one bucket."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def entries(self, prefix: str = "", *, recursive: bool) -> list[Entry]:
        """
        Return what has a path that begins with *prefix*, in the order of paths.

        With *recursive* that is files alone, at any depth. Without, it is files and folders: those in
        *prefix* if that is a folder, and those beside it whose names begin the same.
        """
        above, slash, beginning = prefix.rpartition("/")
        try:
            parts = parse_path(above) if slash else ()
            with self._inside(parts) as opened:
                base = f"{above}/" if slash else ""
                found = list(_listed(opened[-1], base, beginning, depth=_DEEPEST - 1 if recursive else 0))
                if not recursive and beginning:
                    found = list(_opened_up(opened[-1], found, prefix))
        except HubError:
            return []
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
            return []
        return sorted(found, key=lambda entry: entry.path)

    def everything(self) -> list[Entry]:
        """Return all files and all folders; the bucket's own is ``.``."""
        with self._inside(()) as opened:
            itself = described(".", os.fstat(opened[0]))
            return [itself, *_listed(opened[0], "", depth=_DEEPEST - 1, with_folders=True)]

    def entry(self, path: str) -> Entry:
        """
        Return the file *path*.

        Raises:
            HubError: 404, there is none.
        """
        descriptor = self.open(path)
        try:
            return described(path, os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def open(self, path: str) -> int:
        """
        Return a descriptor to read the file *path*.

        Raises:
            HubError: 404, there is none.
        """
        try:
            parts = parse_path(path)
            with self._inside(parts[:-1]) as opened:
                descriptor = os.open(parts[-1], _FILE, dir_fd=opened[-1])
        except (HubError, UnicodeEncodeError):
            raise entry_not_found(path) from None
        except OSError as error:
            if error.errno not in (*_NOT_THERE, errno.ENXIO):  # ENXIO: a socket
                raise
            raise entry_not_found(path) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise entry_not_found(path)
        return descriptor

    def put(self, path: str, file: Incoming, modified_ns: int) -> Entry:
        """
        Let *file* be the file *path*, whole from the first moment; return it so.

        Raises:
            HubError: 422, a folder or a link stands in the way; 507, the disk is full.
        """
        parts = parse_path(path)
        with _refusals(path), full_disk_told(), self._inside(parts[:-1], make=True) as opened:
            owner = self._root.stat()
            file.give_to(owner.st_uid, owner.st_gid, modified_ns)
            status = file.become_in(opened[-1], parts[-1])
        return described(path, status)

    def remove(self, path: str) -> None:
        """
        Remove the file *path*, and the folders that are empty then.

        Raises:
            HubError: 404, there is no such file.
        """
        os.close(self.open(path))
        parts = parse_path(path)
        with _refusals(path), self._inside(parts[:-1]) as opened:
            os.unlink(parts[-1], dir_fd=opened[-1])
            for name, above in zip(reversed(parts[:-1]), reversed(opened[:-1]), strict=True):
                try:
                    os.rmdir(name, dir_fd=above)
                except OSError:
                    return  # something else is in it

    @contextlib.contextmanager
    def _inside(self, parts: Sequence[str], *, make: bool = False) -> Iterator[list[int]]:
        """Open the bucket's folder and those on the way, each from the one before."""
        opened = [self._open_root()]
        try:
            for name in parts:
                if make:
                    self._make(name, opened[-1])
                opened.append(os.open(name, _FOLDER, dir_fd=opened[-1]))
            yield opened
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def _open_root(self) -> int:
        try:
            return os.open(self._root, _FOLDER)
        except PermissionError:
            # An app with the Hub's own user number has closed all of it; an empty bucket would be a lie.
            self._root.chmod(0o755)
            return os.open(self._root, _FOLDER)

    def _make(self, name: str, above: int) -> None:
        try:
            os.mkdir(name, 0o755, dir_fd=above)
        except FileExistsError:
            return
        if os.geteuid() == 0:  # the app, which has fewer rights, must be able to write there
            owner = self._root.stat()
            os.chown(name, owner.st_uid, owner.st_gid, dir_fd=above, follow_symlinks=False)


def described(path: str, status: os.stat_result) -> Entry:
    """Return the entry *path* that has *status*."""
    is_dir = stat.S_ISDIR(status.st_mode)
    size = 0 if is_dir else status.st_size
    return Entry(path, is_dir, size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)


def _listed(
    folder: int, base: str, beginning: str = "", *, depth: int, with_folders: bool = False
) -> Iterator[Entry]:
    """Yield what is in the open *folder*; with a *depth*, the files in the folders below in their place."""
    with os.scandir(folder) as found:
        names = [each.name for each in found if each.name.startswith(beginning)]
    for name in names:
        try:
            name.encode()
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (UnicodeEncodeError, FileNotFoundError, PermissionError):
            continue  # a name that is no text has no path here; what an app has closed is not shown
        if stat.S_ISDIR(status.st_mode) and depth:
            if with_folders:
                yield described(f"{base}{name}", status)
            yield from _below(folder, name, f"{base}{name}/", depth - 1, with_folders=with_folders)
        elif stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode):
            yield described(f"{base}{name}", status)


def _below(above: int, name: str, base: str, depth: int, *, with_folders: bool) -> Iterator[Entry]:
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=above)
    except OSError:
        return  # removed, replaced or closed in this moment
    try:
        found = _listed(descriptor, base, depth=depth, with_folders=with_folders)
        yield from (entry for entry in found if depth or not entry.is_dir)
    finally:
        os.close(descriptor)


def _opened_up(above: int, found: Sequence[Entry], path: str) -> Iterator[Entry]:
    """Yield *found*, with what is in the folder *path* in its place."""
    for entry in found:
        if entry.path != path or not entry.is_dir:
            yield entry
            continue
        descriptor = os.open(path.rpartition("/")[2], _FOLDER, dir_fd=above)
        try:
            yield from _listed(descriptor, f"{path}/", depth=0)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _refusals(path: str) -> Iterator[None]:
    """Say in words why *path* cannot be written."""
    try:
        yield
    except UnicodeEncodeError:
        raise HubError(422, "The path is no text") from None
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
            raise HubError(422, f"`{path}` is a folder") from error
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise HubError(422, f"A file or a link stands in the way of `{path}`") from error
        if error.errno == errno.ENAMETOOLONG:
            raise HubError(422, "The path, or a name in it, is too long") from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise HubError(422, f"An app has closed the folder of `{path}`") from error
        if error.errno == errno.ENOENT:
            raise entry_not_found(path) from error
        raise
