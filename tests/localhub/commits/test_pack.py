import subprocess
from pathlib import Path

import pygit2
import pytest

from spacehand.localhub.commits.pack import Pack


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    pygit2.init_repository(str(tmp_path / "repo.git"), bare=True)
    return tmp_path / "repo.git"


def run_git(git_dir: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "--git-dir", git_dir, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_git_reads_what_was_published(git_dir: Path) -> None:
    """Objects of every kind and size come back from git itself, and its own checks pass."""
    blobs = [b"", b"x", b"a" * 15, b"b" * 16, b"\0" * 5000, bytes(range(256)) * 9000]
    with Pack(git_dir) as pack:
        names = [pack.add("blob", blob) for blob in blobs]
        tree = pack.add("tree", b"100644 file\0" + bytes.fromhex(names[1]))
        pack.publish()

    repository = pygit2.Repository(str(git_dir))
    assert [repository[name].data for name in names] == blobs
    assert run_git(git_dir, "cat-file", "-t", tree) == "tree\n"
    [packed] = (git_dir / "objects" / "pack").glob("*.idx")
    run_git(git_dir, "verify-pack", str(packed))
    run_git(git_dir, "fsck", "--full", "--strict")


def test_same_object_is_written_once(git_dir: Path) -> None:
    """Adding an object again gives the same id and costs no room."""
    with Pack(git_dir) as pack:
        assert pack.add("blob", b"same") == pack.add("blob", b"same")
        pack.publish()

    assert "count: 0" in run_git(git_dir, "count-objects", "-v")
    assert "in-pack: 1" in run_git(git_dir, "count-objects", "-v")


def test_unpublished_pack_leaves_nothing(git_dir: Path) -> None:
    """A pack that is given up is neither seen by git nor left on disk."""
    with Pack(git_dir) as pack:
        name = pack.add("blob", b"never")

    assert list((git_dir / "objects" / "pack").iterdir()) == []
    assert pygit2.Repository(str(git_dir)).get(name) is None


def test_publishing_the_same_twice_is_harmless(git_dir: Path) -> None:
    """Two commits may bring the very same objects."""
    for _ in range(2):
        with Pack(git_dir) as pack:
            name = pack.add("blob", b"twice")
            pack.publish()

    assert pygit2.Repository(str(git_dir))[name].data == b"twice"
    run_git(git_dir, "fsck", "--full")
