"""Folders that somebody else has filled."""

from __future__ import annotations

import os
from pathlib import Path

from spacehand.localhub.store.removal import remove_all


def test_a_folder_of_any_depth_is_removed(tmp_path: Path):
    """
    Folders deeper than Python recurses go with their files; what a link in them names stays.
    """
    kept = tmp_path / "kept"
    kept.write_text("x")
    root = tmp_path / "deep"
    root.mkdir()
    descriptor = os.open(root, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.mkdir("beside", dir_fd=descriptor)
    os.symlink(kept, "link", dir_fd=descriptor)
    os.close(os.open("bottom", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)
    remove_all(root)
    remove_all(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == [kept]
    assert kept.read_text() == "x"
