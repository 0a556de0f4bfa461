"""Paths that clients send, checked before they get near a tree."""

from __future__ import annotations

import re

from spacehand.localhub.errors import HubError

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_LONGEST_PART = 255  # bytes; what file systems take, and git checks out


def repo_path(text: object) -> str:
    """
    Return *text* as the path of a file in a repository.

    Raises:
        HubError: 422, the path leaves the repository, touches ``.git``, or no file system would take it.
    """
    if not isinstance(text, str) or not text or _FORBIDDEN.search(text):
        raise _refused(text)
    try:
        parts = text.encode().split(b"/")
    except UnicodeEncodeError:
        raise _refused(text) from None
    if any(_is_hostile(part) for part in parts):
        raise _refused(text)
    return text


def folder_path(text: object) -> str:
    """Return *text* as the path of a folder, without its last slash; empty for the whole repository."""
    if isinstance(text, str) and text in ("", ".", "/", "./"):
        return ""
    return repo_path(text.removesuffix("/") if isinstance(text, str) else text)


def _is_hostile(part: bytes) -> bool:
    # `git~1` is `.git` on Windows; trailing dots and spaces are dropped there.
    bare = part.rstrip(b". ").lower()
    return not bare or bare in (b".git", b"git~1") or len(part) > _LONGEST_PART


def _refused(text: object) -> HubError:
    return HubError(422, f"Invalid path in repository: {text!r}"[:300])
