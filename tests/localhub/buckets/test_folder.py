"""A folder that somebody else writes to, too."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from spacehand.localhub.buckets.folder import Folder, parse_path
from spacehand.localhub.errors import HubError
from spacehand.localhub.store.incoming import Incoming, incoming
from spacehand.localhub.store.place import Place


@pytest.fixture
def root(place: Place) -> Path:
    place.create()
    found = place.bucket("b")
    found.mkdir()
    return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "hub")


def put(place: Place, path: str, content: bytes = b"x") -> None:
    with incoming(place) as file:
        file.write(content)
        Folder(place.bucket("b")).put(path, file, 1_700_000_000_000_000_000)


UP_OR_NOWHERE = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "a/./b",
    "..",
    "a/../../b",
    "a\0b",
    "a/" * 100 + "b",
    None,
    7,
]


@pytest.mark.parametrize("path", UP_OR_NOWHERE)
def test_only_a_path_inside_is_a_path(path: object) -> None:
    """Whatever leads up, to the top, or nowhere is refused before the disk is asked."""
    with pytest.raises(HubError) as told:
        parse_path(path)
    assert told.value.status == 422


def test_a_file_is_put_and_removed_with_its_folders(root: Path, place: Place) -> None:
    """Folders come with their first file and go with their last, and no other file goes with them."""
    put(place, "a/b/c", b"one")
    put(place, "a/b/c", b"two")
    put(place, "a/other")
    assert (root / "a/b/c").read_bytes() == b"two"
    assert (root / "a/b/c").stat().st_mtime == 1_700_000_000
    owners = {(root / path).stat().st_uid for path in (".", "a", "a/b", "a/b/c")}
    assert len(owners) == 1
    Folder(root).remove("a/b/c")
    assert [entry.path for entry in Folder(root).entries(recursive=True)] == ["a/other"]
    assert not (root / "a/b").exists()
    assert list(place.incoming.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "why"), [("dir", "a folder"), ("file/x", "in the way"), ("link/x", "in the way")]
)
def test_what_stands_in_the_way_stays(root: Path, place: Place, path: str, why: str) -> None:
    """A folder is not replaced by a file, nor a file by a folder, and a link is not gone through."""
    (root / "dir").mkdir()
    (root / "file").write_text("stays")
    (root / "link").symlink_to(place.root)
    with pytest.raises(HubError, match=why):
        put(place, path)
    assert (root / "file").read_text() == "stays"
    assert not (place.root / "x").exists()


def test_a_link_put_in_the_place_of_a_folder_leads_nowhere(root: Path, place: Place) -> None:
    """While an app swaps a folder for a link as fast as it can, nothing is written or read outside."""
    outside = place.root / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    over = threading.Event()

    def swap() -> None:
        for number in itertools.count():
            if over.is_set():
                return
            for deed in (
                partial((root / "real").rename, root / f"away{number}"),
                partial((root / "real").symlink_to, outside),
                (root / "real").unlink,
            ):
                with contextlib.suppress(OSError):
                    deed()

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for number in range(100):
            with contextlib.suppress(HubError):
                put(place, f"real/{number}")
            with pytest.raises(HubError):
                Folder(root).open("real/secret")
    finally:
        over.set()
        swapper.join()
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert any(path.is_file() for path in root.rglob("*"))


def test_folders_without_end_are_listed_to_a_depth(root: Path) -> None:
    """An app may nest folders deeper than any path is long; the listing ends, with what lies higher."""
    (root / "top").write_text("x")
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("deep-deep-deep-deep", dir_fd=descriptor)
        below = os.open("deep-deep-deep-deep", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(os.open("bottom", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)
    assert [entry.path for entry in Folder(root).entries(recursive=True)] == ["top"]
    assert len(Folder(root).everything()) == 101
    with pytest.raises(HubError):
        Folder(root).open("/".join(["deep-deep-deep-deep"] * 300 + ["bottom"]))


@pytest.fixture
def own_root() -> Iterator[Path]:
    """A bucket's folder as a Hub has it that is not root: apps have its own user number."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        found = Path(name) / "b"
        found.mkdir()
        is_root = os.geteuid() == 0
        if is_root:
            os.chown(found, 1000, 1000)
            os.seteuid(1000)
        yield found
        if is_root:
            os.seteuid(0)


def test_what_an_app_has_closed_hides_nothing_else(own_root: Path) -> None:
    """A closed folder's files are not told, all others are; the bucket's own folder is opened again."""
    (own_root / "kept").write_text("x")
    (own_root / "closed").mkdir()
    (own_root / "closed/file").write_text("x")
    (own_root / "closed").chmod(0o444)
    own_root.chmod(0)
    assert [entry.path for entry in Folder(own_root).entries(recursive=True)] == ["kept"]
    assert [entry.path for entry in Folder(own_root).everything()] == [".", "closed", "kept"]
    (own_root / "closed").chmod(0o755)


def test_a_file_that_is_replaced_at_once_is_told_as_it_was(
    root: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two files sent to one path each is described by itself, so neither gets the other's hash."""
    become_in = Incoming.become_in

    def overtaken(file: Incoming, folder: int, name: str) -> os.stat_result:
        status = become_in(file, folder, name)
        (root / "other").write_text("another")
        (root / "other").replace(root / name)
        return status

    monkeypatch.setattr(Incoming, "become_in", overtaken)
    with incoming(place) as file:
        file.write(b"own")
        entry = Folder(root).put("f", file, 1)
    assert (entry.size, entry.modified_ns) == (3, 1)
    assert entry.stamp != Folder(root).entry("f").stamp
