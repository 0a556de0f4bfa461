"""Commits as the official client reads them."""

from __future__ import annotations

import html

from spacehand.localhub.commits.preupload import Advice
from spacehand.localhub.commits.store import Commit
from spacehand.localhub.wire_time import from_unix


def advice(found: Advice) -> dict[str, object]:
    mode = "lfs" if found.is_lfs else "regular"
    out: dict[str, object] = {"path": found.path, "uploadMode": mode, "shouldIgnore": found.is_ignored}
    if found.known is not None:
        out["oid"] = found.known
    return out


def accepted(sha: str, repo_url: str) -> dict[str, object]:
    return {"success": True, "commitOid": sha, "commitUrl": f"{repo_url}/commit/{sha}", "hookOutput": ""}


def commit(found: Commit, *, formatted: bool) -> dict[str, object]:
    """*formatted* adds title and message as HTML."""
    out: dict[str, object] = {
        "id": found.sha,
        "title": found.title,
        "message": found.message,
        "authors": [{"user": found.author, "avatar": ""}],
        "date": from_unix(found.created),
    }
    if formatted:
        out["formatted"] = {"title": html.escape(found.title), "message": html.escape(found.message)}
    return out
