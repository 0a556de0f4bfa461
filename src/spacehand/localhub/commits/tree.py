"""A folder tree while it is being changed; only folders that changed are read and written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pygit2

from spacehand.localhub.commits.pack import Pack
from spacehand.localhub.errors import HubError

_FILE: Final = b"100644"
_EXECUTABLE: Final = b"100755"
_FOLDER: Final = b"40000"


@dataclass(slots=True)
class _Leaf:
    mode: bytes
    oid: str


@dataclass(slots=True)
class _Folder:
    """Children are read from *oid* when somebody asks; *oid* is empty as soon as they may differ."""

    oid: str
    children: dict[bytes, _Leaf | _Folder] | None = None


class TreeEdit:
    """Changes to the tree *root* (a hex id, or empty for none), kept in memory until `write`."""

    def __init__(self, repository: pygit2.Repository, root: str) -> None:
        self._odb = repository.odb
        self._root = _Folder(root)

    def find(self, path: str) -> str | None:
        """Return the id of the file at *path*."""
        trail, name = self._trail(path)
        found = self._children(trail[-1]).get(name) if trail else None
        return found.oid if isinstance(found, _Leaf) else None

    def put(self, path: str, oid: str) -> None:
        """
        Put the blob *oid* at *path*; a file that is executable stays so.

        Raises:
            HubError: 400, a folder is where the file would be, or a file where a folder would be.
        """
        *parts, name = path.encode().split(b"/")
        trail = [self._root]
        for part in parts:
            child = self._children(trail[-1]).setdefault(part, _Folder("", {}))
            if not isinstance(child, _Folder):
                raise _in_the_way(path)
            trail.append(child)
        children = self._children(trail[-1])
        old = children.get(name)
        if isinstance(old, _Folder):
            raise _in_the_way(path)
        children[name] = _Leaf(_EXECUTABLE if old is not None and old.mode == _EXECUTABLE else _FILE, oid)
        _forget_ids(trail)

    def remove(self, path: str) -> bool:
        """Remove the file or folder at *path* (empty: everything); False if there is none."""
        if not path:
            had_any = bool(self._children(self._root))
            self._root = _Folder("", {})
            return had_any
        trail, name = self._trail(path)
        if not trail or self._children(trail[-1]).pop(name, None) is None:
            return False
        _forget_ids(trail)
        # A folder that lost its last file is gone, and a file may take its name.
        while len(trail) > 1 and not self._children(trail.pop()):
            name = path.encode().split(b"/")[len(trail) - 1]
            del self._children(trail[-1])[name]
        return True

    def write(self, pack: Pack) -> str:
        """Write the folders that changed into *pack* and return the root's id."""
        return self._write(self._root, pack) or pack.add("tree", b"")

    def _write(self, folder: _Folder, pack: Pack) -> str:
        """Empty folders are dropped, as git has none: their id is empty."""
        if folder.oid or folder.children is None:
            return folder.oid
        lines = []
        for name, child in folder.children.items():
            if isinstance(child, _Leaf):
                lines.append((name, child.mode, child.oid))
            elif oid := self._write(child, pack):
                lines.append((name + b"/", _FOLDER, oid))  # git sorts folders as if named with a slash
        if not lines:
            return ""
        content = b"".join(
            mode + b" " + name.removesuffix(b"/") + b"\0" + bytes.fromhex(oid)
            for name, mode, oid in sorted(lines)
        )
        folder.oid = pack.add("tree", content)
        return folder.oid

    def _trail(self, path: str) -> tuple[list[_Folder], bytes]:
        """Return the folders from the root down to *path* (none if one is missing), and its name."""
        *parts, name = path.encode().split(b"/")
        trail = [self._root]
        for part in parts:
            child = self._children(trail[-1]).get(part)
            if not isinstance(child, _Folder):
                return [], name
            trail.append(child)
        return trail, name

    def _children(self, folder: _Folder) -> dict[bytes, _Leaf | _Folder]:
        if folder.children is None:
            content = self._odb.read(folder.oid)[1] if folder.oid else b""
            folder.children = _parse(content)
        return folder.children


def _parse(content: bytes) -> dict[bytes, _Leaf | _Folder]:
    children: dict[bytes, _Leaf | _Folder] = {}
    start = 0
    while start < len(content):
        space = content.index(b" ", start)
        end = content.index(b"\0", space)
        mode, name = content[start:space], content[space + 1 : end]
        start = end + 21
        oid = content[end + 1 : start].hex()
        children[name] = _Folder(oid) if mode == _FOLDER else _Leaf(mode, oid)
    return children


def _forget_ids(trail: list[_Folder]) -> None:
    for folder in trail:
        folder.oid = ""


def _in_the_way(path: str) -> HubError:
    return HubError(400, f"`{path}` cannot be both a file and a folder")
