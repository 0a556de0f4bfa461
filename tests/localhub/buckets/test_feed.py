"""What is told of two looks at a bucket."""

from __future__ import annotations

import os
from pathlib import Path

from spacehand.localhub.buckets.feed import difference
from spacehand.localhub.buckets.folder import Entry, Folder


def seen(root: Path) -> dict[str, Entry]:
    return {entry.path: entry for entry in Folder(root).everything()}


def told(before: dict[str, Entry], after: dict[str, Entry]) -> set[tuple[str, str]]:
    return {(change["path"], change["op"]) for change in difference(before, after)}


def test_files_that_came_changed_and_went_are_told(tmp_path: Path) -> None:
    """Each file is told once, by what happened to it, and folders that explain nothing more are not."""
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("a/stays", "a/b/changes", "goes"):
        (tmp_path / name).write_text(name)
    before = seen(tmp_path)
    (tmp_path / "a/b/changes").write_text("something longer")
    (tmp_path / "goes").unlink()
    (tmp_path / "new").mkdir()
    (tmp_path / "new/comes").write_text("x")
    assert told(before, seen(tmp_path)) == {
        ("a/b/changes", "update"),
        ("goes", "delete"),
        ("new/comes", "add"),
    }
    assert told(before, before) == set()


def test_what_came_and_went_between_two_looks_is_told_by_its_folder(tmp_path: Path) -> None:
    """Somebody may have listed it meanwhile, and would keep it in his list for good."""
    (tmp_path / "data").mkdir()
    for folder in (tmp_path / "data", tmp_path):
        os.utime(folder, (0, 0))
    before = seen(tmp_path)
    for name in ("data/short", "short"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).unlink()
    assert told(before, seen(tmp_path)) == {("data", "update"), (".", "update")}
