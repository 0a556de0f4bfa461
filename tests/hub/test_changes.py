"""What moves between a folder and a repository."""

from __future__ import annotations

from pathlib import Path

from tests.hub.fake_hub import FakeHub

from spacehand.hub._protocol import LocalFile, RemoteFile
from spacehand.hub.changes import changes
from spacehand.hub.digests import Digest, Digests
from spacehand.ids import RepoId, RepoKind, Visibility


def _remote(path: str, content: bytes, *, large: bool = False) -> RemoteFile:
    found = Digest.of(content)
    return RemoteFile(path, len(content), found.git_oid, found.sha256 if large else None)


def test_what_the_hub_has_is_not_moved(tmp_path: Path):
    """
    Files whose bytes are on the Hub, as blobs or large files, are unchanged; others are added or deleted.
    """
    (tmp_path / "model.bin").write_bytes(b"weights")
    local = [
        LocalFile("config.json", content=b"{}"),
        LocalFile("model.bin", source=tmp_path / "model.bin"),
        LocalFile("README.md", content=b"new"),
    ]
    remote = {
        file.path: file
        for file in (
            _remote("config.json", b"{}"),
            _remote("model.bin", b"weights", large=True),
            _remote("README.md", b"old"),
            _remote("gone.txt", b"gone"),
        )
    }

    found = changes(local, remote, Digests())

    assert [file.path for file in found.add] == ["README.md"]
    assert found.delete == ("gone.txt",)
    assert found.unchanged == ("config.json", "model.bin")
    assert found.bytes == 3
    assert found


def test_the_hubs_own_attributes_stay():
    """
    `.gitattributes`, which the Hub writes when it creates a repository, is no reason for a commit.
    """
    assert not changes([], {".gitattributes": _remote(".gitattributes", b"*.bin filter=lfs")}, Digests())


def test_a_file_of_another_size_is_not_read(tmp_path: Path):
    """
    Where the size tells already, nothing is hashed.
    """
    (tmp_path / "model.bin").write_bytes(b"longer weights")
    digests = Digests()

    found = changes(
        [LocalFile("model.bin", source=tmp_path / "model.bin")],
        {"model.bin": _remote("model.bin", b"w")},
        digests,
    )

    assert found.bytes == 14
    assert digests.bytes_read == 0


def test_what_was_committed_is_unchanged(tmp_path: Path):
    """
    After a commit of the difference there is no difference.
    """
    hub, repo = FakeHub(), RepoId.parse("ada/tiny")
    hub.create_model(repo, Visibility.PUBLIC)
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 100)
    local = [
        LocalFile("model.safetensors", source=tmp_path / "model.safetensors"),
        LocalFile("a/b.json", content=b"[]"),
    ]
    first = changes(local, hub.files(RepoKind.MODEL, repo), Digests())
    hub.commit(
        RepoKind.MODEL,
        repo,
        files=first.add,
        delete=first.delete,
        message="m",
        parent=hub.head(RepoKind.MODEL, repo),
    )

    assert not changes(local, hub.files(RepoKind.MODEL, repo), Digests())
