"""Branches and tags: what may be done to them, each change all at once."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pygit2
from pygit2.enums import ObjectType

from spacehand.localhub.errors import HubError, forbidden, revision_not_found
from spacehand.localhub.repos.first_commit import signature
from spacehand.localhub.repos.snapshot import resolve

MAIN = "refs/heads/main"
_BRANCHES = "refs/heads/"
_TAGS = "refs/tags/"
_SHA = re.compile(r"[0-9a-f]{7,40}\Z")


@dataclass(frozen=True, slots=True)
class Ref:
    """A branch or tag; *name* is the short one."""

    name: str
    ref: str
    target: str  # a commit


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch as it was when it was looked up; `moved` compares with that."""

    name: str
    ref: str
    head: pygit2.Commit

    @property
    def sha(self) -> str:
        return str(self.head.id)


def branches(git: pygit2.Repository) -> list[Ref]:
    """Return all branches, ``main`` first."""
    return sorted(_refs(git, _BRANCHES), key=lambda ref: (ref.ref != MAIN, ref.name))


def tags(git: pygit2.Repository) -> list[Ref]:
    """Return all tags, each with the commit it names in the end."""
    return sorted(_refs(git, _TAGS), key=lambda ref: ref.name)


def branch(git: pygit2.Repository, revision: str) -> Branch:
    """
    Return the branch that a commit to *revision* would move.

    Raises:
        HubError: 404, there is none; 403, *revision* is a tag or a commit.
    """
    name = revision.removeprefix(_BRANCHES)
    reference = git.references.get(_BRANCHES + name) if _is_name(_BRANCHES + name) else None
    if reference is None:
        resolve(git, revision)
        raise forbidden(f"Only branches take commits, and {revision} is none")
    return Branch(name, reference.name, reference.peel(pygit2.Commit))


def moved(git: pygit2.Repository, old: Branch, sha: str) -> bool:
    """Let the branch *old* name *sha*; False if somebody else moved it first."""
    reference = git.references.get(old.ref)
    if reference is None or str(reference.target) != old.sha:
        return False
    try:
        reference.set_target(sha)  # compares again, under the file's lock
    except (pygit2.GitError, ValueError, KeyError, OSError):
        return False
    return True


def create_branch(git: pygit2.Repository, name: str, starting_point: str, *, overwrite: bool) -> str:
    """
    Make the branch *name* at the commit *starting_point* and return that commit's id.

    Raises:
        HubError: 404, no such commit; 409, the branch exists, unless *overwrite*; 400, no name for a branch.
    """
    ref = _checked(name, _BRANCHES)
    sha = str(resolve(git, starting_point).id)
    if overwrite and ref in git.references:
        old = branch(git, ref)
        if not moved(git, old, sha):
            raise HubError(409, f"Reference {ref} was changed by somebody else")
        return sha
    _create(git, ref, sha)
    return sha


def delete_branch(git: pygit2.Repository, name: str) -> None:
    """
    Remove the branch *name*; its commits stay.

    Raises:
        HubError: 403, it is ``main``; 404, there is none.
    """
    ref = _checked(name, _BRANCHES)
    if ref == MAIN:
        raise forbidden(f"Cannot delete {ref}")
    _delete(git, ref)


def create_tag(git: pygit2.Repository, name: str, revision: str, *, message: str, author: str) -> None:
    """
    Let the tag *name* name the commit *revision*; with a *message* it is an annotated tag.

    Raises:
        HubError: 404, no such commit; 409, the tag exists; 400, no name for a tag.
    """
    target = resolve(git, revision).id
    ref = _checked(name, _TAGS)
    if ref in git.references:
        raise _exists(ref)
    if not message:
        _create(git, ref, str(target))
        return
    try:
        git.create_tag(name, target, ObjectType.COMMIT, signature(author), message)
    except (pygit2.GitError, ValueError):
        raise _exists(ref) from None


def delete_tag(git: pygit2.Repository, name: str) -> None:
    """
    Remove the tag *name*.

    Raises:
        HubError: 404, there is none.
    """
    _delete(git, _checked(name, _TAGS))


def _refs(git: pygit2.Repository, prefix: str) -> list[Ref]:
    found = []
    for reference in git.references.iterator():
        if reference.name.startswith(prefix):
            try:
                target = str(reference.peel(pygit2.Commit).id)
            except (pygit2.GitError, ValueError):
                continue  # a pushed tag may name a tree
            found.append(Ref(reference.name.removeprefix(prefix), reference.name, target))
    return found


def _checked(name: str, prefix: str) -> str:
    # What looks like a commit's id would hide the branch or the commit from whoever asks for it.
    if name.startswith("refs/") or not _is_name(prefix + name) or (_SHA.match(name) and len(name) == 40):
        raise HubError(400, f"Invalid reference for a {'branch' if prefix == _BRANCHES else 'tag'}: {name}")
    return prefix + name


def _is_name(ref: str) -> bool:
    # A part that begins with `-` would be an option to git on somebody's command line.
    return (
        bool(pygit2.reference_is_valid_name(ref))
        and "/-" not in ref
        and ref.isprintable()
        and ref.removeprefix(_BRANCHES).removeprefix(_TAGS) != "HEAD"  # git itself allows no such branch
    )


def _create(git: pygit2.Repository, ref: str, sha: str) -> None:
    try:
        git.references.create(ref, sha)
    except (pygit2.GitError, ValueError, OSError):
        raise _exists(ref) from None


def _delete(git: pygit2.Repository, ref: str) -> None:
    try:
        git.references.delete(ref)
    except (KeyError, pygit2.GitError):
        raise revision_not_found(ref) from None


def _exists(ref: str) -> HubError:
    return HubError(409, f"Reference {ref} already exists")
