"""Files are counted as the disk holds them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from spacehand.localhub.runner.engines.disk import bytes_held
from spacehand.localhub.runner.engines.docker_app import written_by


def test_bytes_are_counted_as_the_disk_holds_them(tmp_path: Path):
    """
    Sparse files count what they take, several names of one file once, links and vanished files nothing.
    """
    (tmp_path / "full").write_bytes(bytes(range(256)) * 4096)
    empty = bytes_held(tmp_path)
    assert 1 << 20 <= empty < 2 << 20
    (tmp_path / "again").hardlink_to(tmp_path / "full")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert bytes_held(tmp_path) <= empty + (64 << 10)
    assert bytes_held(tmp_path / "nowhere") == 0


def test_a_file_deeper_than_any_path_counts(tmp_path: Path):
    """
    What an app writes where no path leads to takes of its disk, too.
    """
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("ü" * 100, dir_fd=descriptor)
        below = os.open("ü" * 100, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    file = os.open("large", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor)
    os.write(file, bytes(range(256)) * 4096)
    os.fsync(file)
    os.close(file)
    os.close(descriptor)
    assert bytes_held(tmp_path) >= 1 << 20


def test_a_daemon_elsewhere_is_asked_for_sizes(tmp_path: Path):
    """
    A container's layer and its image's own volumes are counted where all are here, and nothing bound is.
    """
    layer, volume = tmp_path / "layer", tmp_path / "volume"
    for folder in (layer, volume):
        folder.mkdir()
    mounts = [{"Type": "volume", "Source": str(volume)}, {"Type": "bind", "Source": str(tmp_path)}]
    shown: dict[str, Any] = {"GraphDriver": {"Data": {"UpperDir": str(layer)}}, "Mounts": mounts}
    assert written_by(shown) == [layer, volume]
    volume.rmdir()
    assert written_by(shown) == []
    assert written_by({"Mounts": []}) == []
