"""Repositories as the official client expects them in JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.localhub.repos.card import card_data, tags, texts
from spacehand.localhub.repos.snapshot import Entry, Snapshot
from spacehand.localhub.repos.store import Like, Repo
from spacehand.localhub.wire_time import from_unix

if TYPE_CHECKING:
    from spacehand.localhub.hub import LocalHub

# Shown only when asked for by `expand`.
_ONLY_EXPANDED = frozenset({"downloadsAllTime", "trendingScore"})
_NOT_IN_LISTS = frozenset({"sha", "siblings", "cardData", "usedStorage", "runtime", "host"})


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a repository is asked for; with *expand*, these keys alone."""

    expand: Collection[str] = ()
    blobs: bool = False  # sizes and hashes of the files
    listed: bool = False  # one of many
    full: bool = True  # of many: with files
    card: bool = False  # of many: with the README's header


def info(hub: LocalHub, repo: Repo, snapshot: Snapshot, detail: Detail = Detail()) -> dict[str, Any]:
    """Answer of ``GET /api/models/ada/tiny`` and of its revisions."""
    return Described(hub, repo, snapshot).to_json(detail)


class Described:
    """One repository at one revision; each fact is worked out when it is asked for."""

    def __init__(self, hub: LocalHub, repo: Repo, snapshot: Snapshot | None = None) -> None:
        self._hub = hub
        self._repo = repo
        self._given = snapshot

    @cached_property
    def _snapshot(self) -> Snapshot:
        return self._given or self._hub.repos.snapshot(self._repo)

    @cached_property
    def card(self) -> Mapping[str, Any] | None:
        """The README's header."""
        return card_data(self._snapshot.text("README.md") or "")

    @property
    def tags(self) -> list[str]:
        """What ``filter=`` is matched with."""
        found = tags(self.card or {})
        if self._repo.kind is RepoKind.SPACE:
            found.insert(0, str(self._sdk))
        return [*dict.fromkeys(found), "region:us"]

    def to_json(self, detail: Detail) -> dict[str, Any]:
        """Return what *detail* asks for."""
        wanted = set(detail.expand) or self._default_keys(detail)
        answer: dict[str, Any] = {"_id": self._repo.uid[:24], "id": str(self._repo.id)}
        if self._repo.kind is RepoKind.MODEL:
            answer["modelId"] = str(self._repo.id)
        for key in sorted(wanted):
            value = self._fact(key, detail)
            if value is not None:
                answer[key] = value
        return answer

    def _default_keys(self, detail: Detail) -> set[str]:
        keys = set(_COMMON | _OF_KIND[self._repo.kind]) - _ONLY_EXPANDED
        if detail.listed:
            keys -= _NOT_IN_LISTS
            keys |= {"sha", "siblings"} if detail.full else set()
            keys |= {"cardData"} if detail.card or detail.full else set()
        return keys

    def _fact(self, key: str, detail: Detail) -> object:
        if key == "siblings":
            return [_sibling(entry, blobs=detail.blobs) for entry in self._files()]
        if key == "usedStorage":
            return sum(entry.size for entry in self._files())
        if key == "tags":
            return self.tags
        if key in _FROM_CARD:
            return self._from_card(key)
        if key == "sdk" and self._repo.kind is RepoKind.SPACE:
            return self._sdk
        if key in _FROM_RUNNER:
            return self._runner.get(key) if self._repo.kind is RepoKind.SPACE else None
        return self._plain().get(key)

    def _plain(self) -> dict[str, Any]:
        repo = self._repo
        return {
            "author": repo.id.owner,
            "sha": self._snapshot.sha,
            "createdAt": from_unix(repo.created),
            "lastModified": from_unix(repo.modified),
            "private": repo.private,
            "visibility": repo.visibility.value,
            "gated": repo.gated or False,
            "disabled": False,
            "downloads": 0,  # nobody counts them here
            "downloadsAllTime": 0,
            "trendingScore": 0,
            "likes": len(self._hub.repos.likes(repo)),
            "cardData": None if self.card is None else dict(self.card),
        }

    def _from_card(self, key: str) -> object:
        if self.card is None:
            return [] if key in ("models", "datasets") else None
        if key in ("models", "datasets"):
            return texts(self.card.get(key))
        return self.card.get(key)

    @property
    def _sdk(self) -> object:
        return (self.card or {}).get("sdk") or self._runner["sdk"]

    def _files(self) -> list[Entry]:
        return [entry for entry in self._snapshot.entries(recursive=True) if not entry.is_dir]

    @cached_property
    def _runner(self) -> Mapping[str, Any]:
        described: Mapping[str, Any] = self._hub.runner.describe(self._repo)
        return described


_COMMON = frozenset(
    (
        "author",
        "cardData",
        "createdAt",
        "disabled",
        "gated",
        "lastModified",
        "likes",
        "private",
        "sha",
        "siblings",
        "tags",
        "trendingScore",
        "usedStorage",
        "visibility",
    )
)
_OF_KIND = {
    RepoKind.MODEL: frozenset(
        {"downloads", "downloadsAllTime", "pipeline_tag", "library_name", "model-index"}
    ),
    RepoKind.DATASET: frozenset({"downloads", "downloadsAllTime"}),
    RepoKind.SPACE: frozenset({"sdk", "subdomain", "host", "runtime", "models", "datasets"}),
}
_FROM_CARD = frozenset({"pipeline_tag", "library_name", "model-index", "models", "datasets"})
_FROM_RUNNER = frozenset({"subdomain", "host", "runtime"})


def _sibling(entry: Entry, *, blobs: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"rfilename": entry.path}
    if blobs:
        shown |= {"blobId": entry.oid, "size": entry.size}
        if entry.lfs_sha256 is not None:
            shown["lfs"] = {
                "sha256": entry.lfs_sha256,
                "size": entry.size,
                "pointerSize": entry.pointer_size,
            }
    return shown


def like(given: Like) -> dict[str, Any]:
    """One row of what a user likes."""
    return {
        "createdAt": from_unix(given.created),
        "repo": {"name": str(given.repo.id), "type": given.repo.kind.value},
    }


@dataclass(frozen=True, slots=True)
class Storage:
    """What a repository or a bucket takes: *size* in bytes."""

    kind: str
    id: RepoId
    visibility: Visibility
    size: int
    created: float
    modified: float


def stored(row: Storage, total: int) -> dict[str, Any]:
    """One row of ``/api/settings/repositories``; *total* is what all of them take, in bytes."""
    return {
        "id": str(row.id),
        "type": row.kind,
        "visibility": row.visibility.value,
        "storage": row.size,
        "storagePercent": row.size / total if total else 0,
        "createdAt": from_unix(row.created),
        "updatedAt": from_unix(row.modified),
    }
