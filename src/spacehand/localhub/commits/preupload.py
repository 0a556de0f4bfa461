"""Before an upload: which files go how, which not at all, and which are there already."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spacehand.localhub.commits.attributes import LfsRules
from spacehand.localhub.commits.proposal import MAX_REGULAR
from spacehand.localhub.errors import HubError

if TYPE_CHECKING:
    from spacehand.localhub.repos.snapshot import Snapshot

_STARS, _FOLDERS = re.compile(r"\*+"), re.compile(r"\*\*/")
_MOST_WILD = 3
_LONGEST_NAME = 255  # characters
_SMALL_BINARY = 100 * 1024  # bytes; an icon may live in git


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that a client means to upload."""

    path: str
    size: int  # bytes
    sample: bytes  # its first bytes

    @classmethod
    def parse(cls, value: Any) -> Candidate:
        """
        Return the file that *value*, a JSON object, describes.

        Raises:
            HubError: 400.
        """
        try:
            path, size = value["path"], value["size"]
            sample = binascii.a2b_base64(value.get("sample") or "")
        except (TypeError, KeyError, AttributeError, ValueError):
            raise HubError(400, "Each file needs `path`, `size` and a `sample` in base64") from None
        if not isinstance(path, str) or not isinstance(size, int):
            raise HubError(400, "Each file needs `path`, `size` and a `sample` in base64")
        if any(len(name) > _LONGEST_NAME for name in path.split("/")):
            raise HubError(400, "A name in a path is longer than any file system takes")
        return cls(path, size, sample)

    @property
    def is_large(self) -> bool:
        """Whether git should not hold it, whatever ``.gitattributes`` says."""
        return self.size > MAX_REGULAR or (self.size > _SMALL_BINARY and b"\0" in self.sample)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do with one file; *known* is what is there now: a sha256 if large, else git's sha1."""

    path: str
    is_lfs: bool
    is_ignored: bool
    known: str | None


def advise(snapshot: Snapshot, candidates: list[Candidate], git_ignore: str | None) -> list[Advice]:
    """Return advice on each of *candidates*; *git_ignore* stands in for the repository's ``.gitignore``."""
    import pathspec  # a slow import, and only uploads need it

    rules = LfsRules.parse((snapshot.text(".gitattributes") or "").encode())
    ignore = snapshot.text(".gitignore") if git_ignore is None else git_ignore
    try:
        ignored = pathspec.GitIgnoreSpec.from_lines(_modest((ignore or "").splitlines()))
    except ValueError as error:
        raise HubError(400, f"`.gitignore` cannot be read: {error}"[:300]) from None
    return [
        Advice(
            file.path,
            is_lfs=file.is_large or rules.covers(file.path),
            is_ignored=ignored.match_file(file.path),
            known=_known(snapshot, file.path),
        )
        for file in candidates
    ]


def _modest(lines: list[str]) -> list[str]:
    """
    Return *lines* if matching them is quick: it takes the length of a name to the power of its wild cards.

    Raises:
        HubError: 400.
    """
    for line in lines:
        folders = _FOLDERS.findall(line)
        if len(folders) > _MOST_WILD or any(
            len(_STARS.findall(part)) > _MOST_WILD for part in line.split("/")
        ):
            message = f"`{line[:100]}` in `.gitignore` has more than {_MOST_WILD} wild cards in a name"
            raise HubError(400, message)
    return lines


def _known(snapshot: Snapshot, path: str) -> str | None:
    entry = snapshot.entry(path)
    if entry is None or entry.is_dir:
        return None
    return entry.lfs_sha256 or entry.oid
