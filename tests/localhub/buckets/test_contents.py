"""What is remembered of files, and what is answered when they change."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hf_xet import hash_files

from spacehand.ids import RepoId
from spacehand.localhub.buckets.content import ChangedError, Content
from spacehand.localhub.buckets.contents import Contents, Stored
from spacehand.localhub.buckets.folder import Folder
from spacehand.localhub.errors import HubError
from spacehand.localhub.hub import LocalHub


class Shelf:
    """One bucket's folder, and what is known of it."""

    def __init__(self, hub: LocalHub) -> None:
        bucket = hub.buckets.create(RepoId("ada", "data"))
        self.uid = bucket.uid
        self.root = hub.place.bucket(bucket.uid)
        self.folder: Folder = hub.buckets.folder(bucket)
        self.contents: Contents = hub.buckets.contents

    def hash(self, path: str) -> str:
        (found,) = self.contents.hashed(self.uid, self.folder, [self.folder.entry(path)])
        return found.hash

    def by_hash(self, xet_hash: str) -> Stored | None:
        return self.contents.by_hash(self.uid, self.folder, xet_hash)


@pytest.fixture
def shelf(opened_hub: LocalHub) -> Shelf:
    return Shelf(opened_hub)


def test_a_small_file_has_the_hash_that_the_client_gives_it(shelf: Shelf) -> None:
    """Up to one chunk there is one way to cut a file, and so one hash."""
    for number, size in enumerate((1, 5000)):
        (shelf.root / str(number)).write_bytes(os.urandom(size))
        (client,) = hash_files([str(shelf.root / str(number))])
        assert shelf.hash(str(number)) == client.hash


def test_a_hash_is_worked_out_once_and_stays_while_the_content_does(
    opened_hub: LocalHub, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked again, nothing is read; touched and not changed, a file keeps a hash that a client gave it."""
    shelf.contents = Contents(opened_hub.database, clock=lambda: time.time_ns() + 10**9)
    (shelf.root / "f").write_bytes(b"content")
    entry = shelf.folder.entry("f")
    shelf.contents.keep(shelf.uid, entry, Content.read(shelf.folder.open("f"), 7), "a client's")
    os.utime(shelf.root / "f", (1, 1))
    assert shelf.hash("f") == "a client's"
    monkeypatch.setattr(Content, "read", None)
    monkeypatch.setattr(Content, "begins", None)
    assert shelf.hash("f") == "a client's"


def test_what_apps_removed_is_forgotten(shelf: Shelf) -> None:
    """What is remembered does not grow with every file that ever was, and forgets none that is there."""
    for name in ("gone", "kept", "listed"):
        (shelf.root / name).write_text(name)
    told = {name: shelf.hash(name) for name in ("gone", "kept", "listed")}
    (shelf.root / "gone").unlink()
    shelf.contents.forget_gone(shelf.uid, shelf.folder, ["listed"])
    for name in ("kept", "listed"):
        shelf.contents.stored(shelf.uid, shelf.folder, name, told[name])
    with pytest.raises(HubError):
        shelf.contents.stored(shelf.uid, shelf.folder, "gone", told["gone"])


def shortened(path: Path) -> None:
    os.truncate(path, 200_000)


def overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(250_000)
        file.write(b"changed")


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [shortened, overwritten, removed])
def test_what_changed_is_not_given_for_what_it_was(shelf: Shelf, change: Callable[[Path], None]) -> None:
    """After its hash was told, other bytes than those are an error and no answer."""
    (shelf.root / "f").write_bytes(os.urandom(300_000))
    told = shelf.hash("f")
    stored = shelf.by_hash(told)
    assert stored is not None
    change(shelf.root / "f")
    assert shelf.by_hash(told) is None
    with pytest.raises(Exception, match=r"changed|not found"):
        list(stored.blocks())


def test_a_log_that_grows_is_given_as_it_was(shelf: Shelf) -> None:
    """What was told is still there, and more: the hash goes on meaning the same bytes."""
    (shelf.root / "log").write_bytes(b"line\n" * 50_000)
    told = shelf.hash("log")
    with (shelf.root / "log").open("ab") as file:
        file.write(b"one more\n")
    stored = shelf.by_hash(told)
    assert stored is not None
    assert b"".join(stored.blocks()) == b"line\n" * 50_000
    assert b"".join(stored.blocks(3, 9)) == b"e\nline"[:6]
    assert shelf.hash("log") != told


def test_a_pack_is_compared_with_its_hashes(shelf: Shelf) -> None:
    """Chunks go out only as what they were told to be, in whatever part of a pack."""
    (shelf.root / "f").write_bytes(os.urandom(400_000))
    stored = shelf.by_hash(shelf.hash("f"))
    assert stored is not None
    whole = b"".join(stored.pack_blocks(0, 0, stored.content.pack_size(0)))
    assert len(whole) == 400_000 + 4 * 8
    assert b"".join(stored.pack_blocks(0, 131_000, 300_000)) == whole[131_000:300_000]
    overwritten(shelf.root / "f")
    with pytest.raises(ChangedError):
        list(stored.pack_blocks(0, 0, stored.content.pack_size(0)))
