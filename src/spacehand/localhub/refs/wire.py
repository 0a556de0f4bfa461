"""Branches and tags as the official client reads them."""

from __future__ import annotations

from collections.abc import Sequence

from spacehand.localhub.refs.store import Ref


def refs(branches: Sequence[Ref], tags: Sequence[Ref], *, with_pull_requests: bool) -> dict[str, object]:
    """The local Hub has no conversions and no pull requests: those lists are empty."""
    out: dict[str, object] = {
        "branches": [_ref(ref) for ref in branches],
        "converts": [],
        "tags": [_ref(ref) for ref in tags],
    }
    if with_pull_requests:
        out["pullRequests"] = []
    return out


def _ref(ref: Ref) -> dict[str, object]:
    return {"name": ref.name, "ref": ref.ref, "targetCommit": ref.target}
