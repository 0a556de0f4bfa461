"""Pages of one repository's files: folders, one file, commits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import pygit2
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spacehand.ids import RepoKind
from spacehand.localhub.errors import entry_not_found
from spacehand.localhub.pages.readme import rendered
from spacehand.localhub.pages.render import page, render
from spacehand.localhub.repos.snapshot import Entry, Snapshot
from spacehand.localhub.repos.store import Repo
from spacehand.localhub.request import downloadable_repo, local_hub, part, readable_repo

_MAX_SHOWN = 512 * 1024  # bytes of text in a page
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".avif")
_MAX_PICTURE = 16 * 1024 * 1024  # bytes
_SOUNDS = (".wav", ".mp3", ".flac", ".ogg", ".m4a")
_MAX_COMMITS = 100


@dataclass(frozen=True, slots=True)
class Crumb:
    """One folder on the way to what is shown."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Change:
    """One file that a commit touched."""

    path: str
    letter: str  # A, M, D, R


@page
def tree(request: Request, *, kind: RepoKind) -> Response:
    """A folder."""
    repo = readable_repo(request, kind)
    revision = part(request, "rev")
    path = _path(request)
    snapshot = local_hub(request).repos.snapshot(repo, revision)
    entries = sorted(snapshot.entries(path), key=lambda entry: (not entry.is_dir, entry.path.lower()))
    readme = None
    if path and (text := snapshot.text(f"{path}/README.md")) is not None:
        readme = rendered(text, repo, revision, path)
    facts = _at(request, repo, snapshot, revision, path)
    return render(request, "tree.html", entries=entries, readme=readme, **facts)


@page
def blob(request: Request, *, kind: RepoKind) -> Response:
    """A file: its text, its picture, its sound, or only its facts."""
    repo = downloadable_repo(request, kind)
    revision, path = part(request, "rev"), _path(request)
    snapshot = local_hub(request).repos.snapshot(repo, revision)
    entry = snapshot.entry(path)
    if entry is None or entry.is_dir:
        raise entry_not_found(path)
    look = _look(entry)
    lines = _lines(snapshot, entry) if look == "text" else None
    if look == "text" and lines is None:
        look = "bytes"
    facts = _at(request, repo, snapshot, revision, path)
    return render(request, "blob.html", entry=entry, look=look, lines=lines, **facts)


@page
def commits(request: Request, *, kind: RepoKind) -> Response:
    """The last commits of a revision."""
    repo = readable_repo(request, kind)
    revision = part(request, "rev")
    snapshot = local_hub(request).repos.snapshot(repo, revision)
    walk = local_hub(request).repos.git(repo).walk(snapshot.commit.id)
    found = [commit for commit, _ in zip(walk, range(_MAX_COMMITS), strict=False)]
    return render(request, "commits.html", commits=found, **_at(request, repo, snapshot, revision, ""))


@page
def commit(request: Request, *, kind: RepoKind) -> Response:
    """One commit and the files it touched."""
    repo = readable_repo(request, kind)
    revision = part(request, "rev")
    hub = local_hub(request)
    snapshot = hub.repos.snapshot(repo, revision)
    changes = _changes(hub.repos.git(repo), snapshot.commit)
    facts = _at(request, repo, snapshot, revision, "")
    return render(request, "commit.html", changes=changes, **facts)


def _at(request: Request, repo: Repo, snapshot: Snapshot, revision: str, path: str) -> dict[str, Any]:
    """Return what every page of a revision shows."""
    parts = PurePosixPath(path).parts
    return {
        "repo": repo,
        "snapshot": snapshot,
        "revision": revision,
        "path": path,
        "crumbs": [Crumb(name, "/".join(parts[: at + 1])) for at, name in enumerate(parts)],
        "branches": branches(local_hub(request).repos.git(repo)),
    }


def branches(git: pygit2.Repository) -> list[str]:
    """Return the names of all branches, ``main`` first."""
    return sorted(git.branches.local, key=lambda name: (name != "main", name))


def _path(request: Request) -> str:
    return part(request, "path").strip("/") if "path" in request.path_params else ""


def _look(entry: Entry) -> str:
    ending = PurePosixPath(entry.path).suffix.lower()
    if ending in _PICTURES and entry.size <= _MAX_PICTURE:
        return "picture"
    if ending in _SOUNDS:
        return "sound"
    return "text" if entry.lfs_sha256 is None and entry.size <= _MAX_SHOWN else "bytes"


def _lines(snapshot: Snapshot, entry: Entry) -> list[str] | None:
    data = snapshot.blob(entry)
    if b"\0" in data:
        return None
    try:
        return data.decode().splitlines()
    except UnicodeDecodeError:
        return None


def _changes(git: pygit2.Repository, commit: pygit2.Commit) -> list[Change]:
    first = not commit.parents
    diff = commit.tree.diff_to_tree(swap=True) if first else git.diff(commit.parents[0], commit)
    diff.find_similar()
    return [Change(each.new_file.path or each.old_file.path, each.status_char()) for each in diff.deltas]


def routes_of(kind: RepoKind) -> list[Route]:
    """Return the routes of one kind of repository."""
    repo = f"/{kind.web_prefix}{{owner:account}}/{{name}}"
    return [
        Route(f"{repo}/tree/{{rev}}", partial(tree, kind=kind)),
        Route(f"{repo}/tree/{{rev}}/{{path:path}}", partial(tree, kind=kind)),
        Route(f"{repo}/blob/{{rev}}/{{path:path}}", partial(blob, kind=kind)),
        Route(f"{repo}/commits/{{rev}}", partial(commits, kind=kind)),
        Route(f"{repo}/commit/{{rev}}", partial(commit, kind=kind)),
    ]
