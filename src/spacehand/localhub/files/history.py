"""Who changed each file last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import pygit2
from pygit2.enums import SortMode


@dataclass(frozen=True, slots=True)
class LastCommit:
    """The commit that made a path what it is."""

    sha: str
    title: str
    created: float  # seconds since 1970


def last_commits(git: pygit2.Repository, head: pygit2.Commit, paths: Iterable[str]) -> dict[str, LastCommit]:
    """
    Return for each of *paths* the latest commit, seen from *head*, that changed it.

    One walk serves all paths; a folder that did not change in a commit costs one comparison there.
    """
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder, _, name = path.rpartition("/")
        wanted[folder].add(name)
    found: dict[str, LastCommit] = {}
    for commit in git.walk(head.id, SortMode.TOPOLOGICAL | SortMode.TIME):
        if not wanted:
            break
        for folder in list(wanted):
            changed = _changed(commit, folder, wanted[folder])
            for name in changed:
                path = f"{folder}/{name}" if folder else name
                found[path] = LastCommit(str(commit.id), _title(commit), float(commit.commit_time))
            wanted[folder] -= changed
            if not wanted[folder]:
                del wanted[folder]
    return found


def _changed(commit: pygit2.Commit, folder: str, names: set[str]) -> set[str]:
    """Return those of *names* that are in no parent what they are in *commit*."""
    here = _folder(commit, folder)
    if here is None:
        return set()  # the walk is on a side branch that never had it
    changed = {name for name in names if name in here}
    for parent in commit.parents:
        there = _folder(parent, folder)
        if there is None:
            continue
        if there.id == here.id:
            return set()
        changed = {name for name in changed if name not in there or there[name].id != here[name].id}
    return changed


def _folder(commit: pygit2.Commit, path: str) -> pygit2.Tree | None:
    if not path:
        return commit.tree
    try:
        found = commit.tree[path]
    except KeyError:
        return None
    return found if isinstance(found, pygit2.Tree) else None


def _title(commit: pygit2.Commit) -> str:
    return str(commit.message.partition("\n")[0])
