"""What a client proposes in one commit, read line by line while it arrives."""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from typing import Any

from spacehand.localhub import wire_json
from spacehand.localhub.commits.pack import Pack
from spacehand.localhub.commits.paths import folder_path, repo_path
from spacehand.localhub.errors import HubError
from spacehand.localhub.repos.snapshot import Pointer

MAX_REGULAR = 10 * 1024 * 1024  # bytes; larger files go through LFS or Xet
_MAX_LINE = MAX_REGULAR * 4 // 3 + 64 * 1024
_KEPT = frozenset({"README.md", ".gitattributes"})


@dataclass(frozen=True, slots=True)
class Regular:
    """A file whose blob is in the pack already."""

    path: str
    oid: str


@dataclass(frozen=True, slots=True)
class Large:
    """A file whose bytes came by LFS or Xet; *size* in bytes, None for a copy."""

    path: str
    sha256: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Removal:
    """A file or a folder that goes; an empty path is everything."""

    path: str
    is_folder: bool


Operation = Regular | Large | Removal


@dataclass(slots=True)
class Proposal:
    """A message, what changes, and the commit it was made for, if the client said so."""

    summary: str
    description: str
    parent: str | None
    operations: list[Operation] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)  # of README.md and .gitattributes

    @property
    def message(self) -> str:
        return f"{self.summary}\n\n{self.description}" if self.description else self.summary


class ProposalReader:
    """Reads ``application/x-ndjson``; contents go into *pack* as they come, so memory holds one line."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._line: list[bytes] = []
        self._length = 0
        self._proposal: Proposal | None = None

    def feed(self, chunk: bytes) -> None:
        """
        Take the next bytes of the body.

        Raises:
            HubError: 400, no such line; 413, a line that no file may be; 422, a path that no file may have.
        """
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._keep(end)
            self._read(b"".join(self._line))
            self._line, self._length = [], 0
        self._keep(rest)

    def finish(self) -> Proposal:
        """
        Return what was proposed.

        Raises:
            HubError: 400, the body is empty or has no summary.
        """
        self._read(b"".join(self._line))
        if self._proposal is None:
            raise HubError(400, "The commit has no header")
        return self._proposal

    def _keep(self, piece: bytes) -> None:
        self._length += len(piece)
        if self._length > _MAX_LINE:
            raise too_large([])
        self._line.append(piece)

    def _read(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            parsed = wire_json.parse(line)
            key, value = parsed["key"], parsed["value"]
        except (ValueError, TypeError, KeyError):
            raise HubError(400, "Each line of a commit must be JSON with `key` and `value`") from None
        if not isinstance(value, dict):
            raise HubError(400, f"`{key}` must have an object as its value")
        if key == "header":
            self._proposal = _header(value)
        elif self._proposal is None:
            raise HubError(400, "The first line of a commit must be its header")
        else:
            self._proposal.operations.append(self._operation(str(key), value, self._proposal))

    def _operation(self, key: str, value: dict[str, Any], proposal: Proposal) -> Operation:
        if key == "file":
            path, content = repo_path(value.get("path")), _content(value)
            if len(content) > MAX_REGULAR:
                raise too_large([path])
            if path in _KEPT:
                proposal.contents[path] = content
            if pointer := Pointer.parse(content):
                return Large(path, pointer.sha256, pointer.size)  # a clone without git-lfs, uploaded as it is
            return Regular(path, self._pack.add("blob", content))
        if key == "lfsFile":
            return Large(repo_path(value.get("path")), *_large(value))
        if key == "deletedFile":
            return Removal(repo_path(value.get("path")), is_folder=False)
        if key == "deletedFolder":
            return Removal(folder_path(value.get("path")), is_folder=True)
        raise HubError(400, f"A commit has no operation `{key}`"[:200])


def too_large(paths: list[str]) -> HubError:
    """Return the Hub's refusal of large files outside LFS."""
    text = "Your push was rejected because it contains files larger than 10 MiB. "
    text += "Please use Xet or LFS to store large files."
    return HubError(413, text + "".join(f" Offending file: {path}" for path in paths))


def _header(value: dict[str, Any]) -> Proposal:
    summary, description = value.get("summary"), value.get("description") or ""
    parent = value.get("parentCommit")
    if not isinstance(summary, str) or not summary.strip() or not isinstance(description, str):
        raise HubError(400, "A commit needs a summary")
    if parent is not None and not isinstance(parent, str):
        raise HubError(400, "`parentCommit` must be a commit's id")
    return Proposal(summary, description, parent or None)


def _content(value: dict[str, Any]) -> bytes:
    content = value.get("content")
    if not isinstance(content, str):
        raise HubError(400, "A file needs its `content`")
    if value.get("encoding", "utf-8") != "base64":
        return content.encode()
    try:
        return binascii.a2b_base64(content)
    except (binascii.Error, ValueError):
        raise HubError(400, "A file's `content` is not base64") from None


def _large(value: dict[str, Any]) -> tuple[str, int | None]:
    sha256, size = value.get("oid"), value.get("size")
    is_hex = isinstance(sha256, str) and len(sha256) == 64 and not set(sha256) - set("0123456789abcdef")
    if not is_hex or value.get("algo", "sha256") != "sha256":
        raise HubError(400, "A large file is named by its sha256")
    if size is not None and (not isinstance(size, int) or size < 0):
        raise HubError(400, "A large file's `size` must be a number of bytes")
    return str(sha256), size
