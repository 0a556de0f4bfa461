"""A repository's files at one commit."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest
from pygit2.enums import FileMode

from spacehand.errors import ConfigError
from spacehand.ids import RepoId, RepoKind
from spacehand.localhub.errors import HubError
from spacehand.localhub.hub import LocalHub
from spacehand.localhub.repos.first_commit import signature
from spacehand.localhub.repos.snapshot import Pointer, Snapshot

Files = dict[str, bytes | tuple[bytes, int]]
LARGE = b"large" * 100
SHA256 = hashlib.sha256(LARGE).hexdigest()
POINTER = Pointer(SHA256, len(LARGE)).to_bytes()


@pytest.fixture
def snapshot_of(opened_hub: LocalHub) -> Callable[[Files], Snapshot]:
    """Return a function that commits files and returns their snapshot; the large one is in the store."""
    stored = opened_hub.place.lfs_file(SHA256)
    stored.parent.mkdir(parents=True)
    stored.write_bytes(LARGE)
    repo = opened_hub.repos.create(RepoKind.MODEL, RepoId("ada", "tiny"))

    def commit(files: Files) -> Snapshot:
        git = opened_hub.repos.git(repo)
        who = signature("ada")
        tree = _tree(git, files)
        sha = git.create_commit(None, who, who, "files", tree, [git.head.target])
        git.references.create("refs/heads/main", sha, force=True)
        return opened_hub.repos.snapshot(repo)

    return commit


def _tree(git: pygit2.Repository, files: Files) -> pygit2.Oid:
    """Write a tree as it is, also one that git itself would refuse to make."""
    builder = git.TreeBuilder()
    folders: dict[str, Files] = {}
    for path, content in files.items():
        first, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(first, {})[rest] = content
            continue
        data, mode = content if isinstance(content, tuple) else (content, FileMode.BLOB)
        builder.insert(first, git.create_blob(data), mode)
    for name, inner in folders.items():
        builder.insert(name, _tree(git, inner), FileMode.TREE)
    return builder.write()


FILES: Files = {
    "README.md": b"# Hi",
    "b/c/deep.txt": b"deep",
    "b/a.txt": b"",
    "model.bin": POINTER,
    "run.sh": (b"#!/bin/sh\n", FileMode.BLOB_EXECUTABLE),
}


def test_entries_tell_the_size_of_the_content(snapshot_of: Callable[[Files], Snapshot]):
    """
    A large file is listed with its own size and hash, a small one with git's.
    """
    snapshot = snapshot_of(FILES)

    found = {entry.path: entry for entry in snapshot.entries(recursive=True)}

    assert list(found) == ["README.md", "b", "b/a.txt", "b/c", "b/c/deep.txt", "model.bin", "run.sh"]
    assert (found["model.bin"].size, found["model.bin"].lfs_sha256) == (500, SHA256)
    assert found["model.bin"].pointer_size == len(POINTER)
    assert (found["README.md"].size, found["README.md"].lfs_sha256) == (4, None)
    assert found["b"].is_dir
    assert [entry.path for entry in snapshot.entries("b/")] == ["b/a.txt", "b/c"]


def test_reading_gives_the_content(snapshot_of: Callable[[Files], Snapshot]):
    """
    Large files are read like small ones; `blob` gives what git holds.
    """
    snapshot = snapshot_of(FILES)
    large = snapshot.entry("model.bin")

    assert snapshot.read("model.bin") == LARGE
    assert snapshot.read("/b/c/deep.txt") == b"deep"
    assert large is not None
    assert snapshot.blob(large) == POINTER
    assert (snapshot.text("README.md"), snapshot.text("b"), snapshot.text("model.bin")) == (
        "# Hi",
        None,
        None,
    )


@pytest.mark.parametrize("path", ["nothing", "b", "", "README.md/x", "../x", "b//a.txt"])
def test_what_is_no_file_is_not_read(snapshot_of: Callable[[Files], Snapshot], path: str):
    """
    A folder, a path out of the repository, a file that is not there: all are 404.
    """
    with pytest.raises(HubError) as raised:
        snapshot_of(FILES).read(path)

    assert raised.value.code == "EntryNotFound"


def test_only_a_folder_has_entries(snapshot_of: Callable[[Files], Snapshot]):
    """
    Listing a file or nothing is 404.
    """
    for path in ("README.md", "nothing"):
        with pytest.raises(HubError):
            snapshot_of(FILES).entries(path)


def test_a_checkout_has_everything(snapshot_of: Callable[[Files], Snapshot], tmp_path: Path):
    """
    All files, large ones with their content, executable ones executable, and nothing of git's.
    """
    target = tmp_path / "checkout"
    snapshot_of(FILES).materialize(target)

    found = {str(path.relative_to(target)): path for path in target.rglob("*") if path.is_file()}
    assert set(found) == set(FILES)
    assert found["model.bin"].read_bytes() == LARGE
    assert os.access(found["run.sh"], os.X_OK)
    assert not os.access(found["README.md"], os.X_OK)
    found["model.bin"].write_bytes(b"changed")
    assert snapshot_of(FILES).read("model.bin") == LARGE


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"a": b"1", "link": (b"/etc/passwd", FileMode.LINK)}, "is a symbolic link"),
        ({"a": b"1", "b/link": (b"..", FileMode.LINK)}, "is a symbolic link"),
    ],
)
def test_links_are_refused(
    snapshot_of: Callable[[Files], Snapshot], tmp_path: Path, files: Files, complaint: str
):
    """
    A repository with a symbolic link is not checked out at all.
    """
    with pytest.raises(ConfigError, match=complaint):
        snapshot_of(files).materialize(tmp_path / "checkout")

    assert list(tmp_path.glob("*checkout*")) == []


@pytest.mark.parametrize("name", ["..", ".git"])
def test_paths_that_leave_the_folder_are_refused(opened_hub: LocalHub, tmp_path: Path, name: str):
    """
    A tree that no git would write, but somebody could push, writes nothing outside.
    """
    repo = opened_hub.repos.create(RepoKind.MODEL, RepoId("ada", "evil"))
    git = opened_hub.repos.git(repo)
    blob = git.create_blob(b"evil")
    inner = git.odb.write(pygit2.enums.ObjectType.TREE, b"100644 evil\0" + blob.raw)
    outer = git.odb.write(pygit2.enums.ObjectType.TREE, b"40000 " + name.encode() + b"\0" + inner.raw)
    who = signature("eve")
    sha = git.create_commit(None, who, who, "evil", outer, [])

    with pytest.raises(ConfigError, match="would leave the folder"):
        opened_hub.repos.snapshot(repo, str(sha)).materialize(tmp_path / "checkout")

    assert not (tmp_path / "evil").exists()
    assert list(tmp_path.glob("*checkout*")) == []


def test_a_checkout_never_mixes_with_what_is_there(snapshot_of: Callable[[Files], Snapshot], tmp_path: Path):
    """
    The folder must be empty; what is in it stays as it is.
    """
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "mine").touch()

    with pytest.raises(OSError, match="not empty"):
        snapshot_of(FILES).materialize(tmp_path / "checkout")

    assert [path.name for path in (tmp_path / "checkout").iterdir()] == ["mine"]


def test_a_large_file_that_never_came_is_named(snapshot_of: Callable[[Files], Snapshot], tmp_path: Path):
    """
    A pointer without its content is an error, not a file with a pointer in it.
    """
    lost = Pointer("0" * 64, 3).to_bytes()

    with pytest.raises(HubError, match=r"The content of `weights.bin` was never uploaded"):
        snapshot_of({"weights.bin": lost}).materialize(tmp_path / "checkout")


def test_what_only_looks_like_a_pointer_is_a_file(snapshot_of: Callable[[Files], Snapshot]):
    """
    A text about pointers is no pointer.
    """
    for text in (POINTER + b"x", b"x" + POINTER, POINTER.replace(b"sha256", b"sha512"), POINTER * 2):
        entry = snapshot_of({"a": text}).entry("a")
        assert entry is not None
        assert (entry.lfs_sha256, entry.size) == (None, len(text))


def test_revisions(snapshot_of: Callable[[Files], Snapshot], opened_hub: LocalHub):
    """
    A branch, a tag, a full name and the beginning of a hash lead to their commit; a branch comes first.
    """
    sha = snapshot_of(FILES).sha
    repo = opened_hub.repos.list()[0]
    git = opened_hub.repos.git(repo)
    who = signature("ada")
    git.create_tag("v1", sha, pygit2.enums.ObjectType.COMMIT, who, "first")
    git.references.create("refs/pr/1", sha)
    first = str(git[sha].parents[0].id)
    git.references.create(f"refs/heads/{sha[:8]}", first)

    for revision in ("main", "v1", "refs/heads/main", "refs/tags/v1", "refs/pr/1", sha, sha[:9]):
        assert opened_hub.repos.snapshot(repo, revision).sha == sha
    assert opened_hub.repos.snapshot(repo, sha[:8]).sha == first
    tree = str(git[sha].tree.id)
    for nothing in (
        "",
        "nowhere",
        "refs/heads/",
        "main~1",
        "HEAD^",
        "0" * 40,
        sha[:5],
        tree,
        "a b",
        "..",
        "@{1}",
    ):
        with pytest.raises(HubError) as raised:
            opened_hub.repos.snapshot(repo, nothing)
        assert raised.value.code == "RevisionNotFound"
