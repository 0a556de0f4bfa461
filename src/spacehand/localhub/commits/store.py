"""Commits: a proposal becomes a commit, and a branch moves, all at once and for good."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pygit2

from spacehand.localhub.commits.attributes import LfsRules
from spacehand.localhub.commits.pack import Pack
from spacehand.localhub.commits.proposal import Large, Proposal, Regular
from spacehand.localhub.commits.tree import TreeEdit
from spacehand.localhub.errors import HubError, entry_not_found, revision_not_found
from spacehand.localhub.refs import store as refs
from spacehand.localhub.repos.first_commit import signature
from spacehand.localhub.repos.snapshot import Pointer

if TYPE_CHECKING:
    from spacehand.localhub.hub import LocalHub
    from spacehand.localhub.repos.store import Repo

_ATTRIBUTES = ".gitattributes"
_ATTEMPTS = 20  # against somebody who pushes to the same branch over and over
_PAUSE = 0.02  # seconds


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of a branch's history."""

    sha: str
    title: str
    message: str  # what follows the title
    author: str
    created: float  # seconds since 1970


def record(hub: LocalHub, repo: Repo, revision: str, proposal: Proposal, blobs: Pack, author: str) -> str:
    """
    Commit *proposal*, whose files are in *blobs*, to the branch *revision*; return the branch's new head.

    A proposal that changes nothing makes no commit. When this returns, the commit survives a power cut;
    `LocalHub.announce` has been called.

    Raises:
        HubError: 403, no branch; 404, a file to delete is not there; 400, a large file was never uploaded;
            412, the branch is no longer at the proposal's parent.
    """
    proposal = _with_sizes(hub, repo, proposal)
    with hub.repos.writing(repo), ExitStack() as packs:
        git, pack = hub.repos.git(repo), blobs
        for attempt in range(_ATTEMPTS):
            branch = refs.branch(git, revision)
            _require_parent(git, branch, proposal)
            tree = _write_tree(git, branch, proposal, pack)
            if tree == str(branch.head.tree_id):
                return branch.sha
            sha = pack.add("commit", _commit_object(tree, branch.sha, proposal.message, author))
            pack.publish()
            if refs.moved(git, branch, sha):
                break
            time.sleep(_PAUSE * attempt)
            pack = packs.enter_context(Pack(hub.repos.git_dir(repo)))
        else:
            raise _branch_moved()
    hub.announce(repo, branch.name, sha)
    return sha


def squash(hub: LocalHub, repo: Repo, revision: str, message: str, author: str) -> str:
    """
    Replace the history of a branch by one commit with the same files; return that commit's id.

    Raises:
        HubError: 403 or 404, *revision* is no branch; 412, somebody committed meanwhile.
    """
    git_dir = hub.repos.git_dir(repo)
    with hub.repos.writing(repo):
        git = hub.repos.git(repo)
        branch = refs.branch(git, revision)
        with Pack(git_dir) as pack:
            sha = pack.add("commit", _commit_object(str(branch.head.tree_id), None, message, author))
            pack.publish()
        if not refs.moved(git, branch, sha):
            raise _branch_moved()
    hub.announce(repo, branch.name, sha)
    return sha


def empty_branch(hub: LocalHub, repo: Repo, name: str, author: str) -> str:
    """
    Make a branch without files or history, and return its only commit's id.

    Raises:
        HubError: 409, the branch exists; 400, no name for a branch.
    """
    with hub.repos.writing(repo):
        git = hub.repos.git(repo)
        with Pack(hub.repos.git_dir(repo)) as pack:
            sha = pack.add("commit", _commit_object(pack.add("tree", b""), None, "initial commit", author))
            pack.publish()
        return refs.create_branch(git, name, sha, overwrite=False)


def history(git: pygit2.Repository, head: pygit2.Commit) -> list[pygit2.Oid]:
    """Return the ids of *head* and all its ancestors, the latest first."""
    return [commit.id for commit in git.walk(head.id, pygit2.enums.SortMode.TOPOLOGICAL)]


def described(git: pygit2.Repository, oid: pygit2.Oid) -> Commit:
    """Return the commit *oid* as people read it."""
    commit = git[oid]
    title, _, message = commit.message.partition("\n")
    return Commit(str(oid), title, message.strip("\n"), commit.author.name, float(commit.commit_time))


def _with_sizes(hub: LocalHub, repo: Repo, proposal: Proposal) -> Proposal:
    """Look up every large file: the repository must hold it, and it must be as large as the client says."""
    operations = []
    for operation in proposal.operations:
        if isinstance(operation, Large):
            held = hub.objects.holds(repo.uid, operation.sha256)
            size = hub.objects.size(operation.sha256) if held else None
            if size is None or operation.size not in (None, size):
                raise missing_large_file(operation.path)
            operation = replace(operation, size=size)
        operations.append(operation)
    return replace(proposal, operations=operations)


def missing_large_file(path: str) -> HubError:
    """Return the Hub's refusal of a pointer to bytes that nobody uploaded."""
    text = "Your push was rejected because an LFS pointer pointed to a file that does not exist."
    return HubError(400, f"{text} Offending file: {path}")


def _require_parent(git: pygit2.Repository, branch: refs.Branch, proposal: Proposal) -> None:
    if proposal.parent is None or proposal.parent == branch.sha:
        return
    try:
        same = git.revparse_single(proposal.parent).id == branch.head.id
    except (KeyError, ValueError, pygit2.GitError):
        raise revision_not_found(proposal.parent) from None
    if not same:
        raise _branch_moved()


def _branch_moved() -> HubError:
    # The official client recognises this very text.
    return HubError(412, "The branch was updated since you opened this page. Please refresh and try again.")


def _write_tree(git: pygit2.Repository, branch: refs.Branch, proposal: Proposal, pack: Pack) -> str:
    edit = TreeEdit(git, str(branch.head.tree_id))
    large = []
    for operation in proposal.operations:
        if isinstance(operation, Regular):
            edit.put(operation.path, operation.oid)
        elif isinstance(operation, Large):
            pointer = Pointer(operation.sha256, operation.size or 0)
            edit.put(operation.path, pack.add("blob", pointer.to_bytes()))
            large.append(operation.path)
        elif not edit.remove(operation.path) and not operation.is_folder:
            raise entry_not_found(operation.path)
    _cover(git, edit, large, proposal, pack)
    return edit.write(pack)


def _cover(git: pygit2.Repository, edit: TreeEdit, large: list[str], proposal: Proposal, pack: Pack) -> None:
    """Extend ``.gitattributes``, so that git too treats each of *large* as a large file."""
    if not large:
        return
    oid = edit.find(_ATTRIBUTES)
    proposed = proposal.contents.get(_ATTRIBUTES)
    content = git[oid].data if oid is not None and proposed is None else proposed or b""
    rules = LfsRules.parse(content)
    uncovered = [path for path in large if not rules.covers(path) and edit.find(path)]
    if uncovered:
        edit.put(_ATTRIBUTES, pack.add("blob", rules.extended(uncovered)))


def _commit_object(tree: str, parent: str | None, message: str, author: str) -> bytes:
    who = signature(author)
    stamp = f"{who.name} <{who.email}> {who.time} +0000"
    lines = [f"tree {tree}"]
    if parent is not None:
        lines.append(f"parent {parent}")
    lines += [f"author {stamp}", f"committer {stamp}", "", message.replace("\0", "")]
    return "\n".join(lines).encode("utf-8", "replace")
