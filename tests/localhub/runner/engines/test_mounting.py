"""Where folders of this machine are for a container."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from spacehand.localhub.runner.engines.docker import mounts_folders
from spacehand.localhub.runner.engines.mounting import within


@pytest.mark.parametrize(
    ("link", "target", "found"),
    [
        ("", "/data/in", "/data/in"),
        ("other", "/data/in", "/other/in"),
        ("/opt/spacehand", "/data", "/opt/spacehand"),
        ("../../../../etc", "/data/in", "/etc/in"),
        ("here/../there", "/data", "/there"),
    ],
)
def test_links_lead_to_nothing_outside_the_image(link: str, target: str, found: str, tmp_path: Path):
    """
    A link in an image is followed as the app follows it, whose root is the image's.
    """
    if link:
        (tmp_path / "data").symlink_to(link)
    assert str(within(tmp_path, target)) == found


def test_links_that_lead_in_a_circle_are_refused(tmp_path: Path):
    """
    As by the kernel, and without an end to wait for.
    """
    (tmp_path / "data").symlink_to("back")
    (tmp_path / "back").symlink_to("data")
    with pytest.raises(OSError, match="in a circle"):
        within(tmp_path, "/data")


@pytest.mark.parametrize(
    ("told", "uid", "mounts"),
    [
        ({}, 0, True),
        ({}, 1000, True),
        ({}, 1001, False),
        ({"SecurityOptions": ["name=seccomp,profile=default"]}, 0, True),
        ({"SecurityOptions": ["name=seccomp,profile=default", "name=userns"]}, 0, False),
        ({"SecurityOptions": ["name=rootless"]}, 1000, False),
        ({"KernelVersion": "6.10.14-linuxkit"}, 0, False),
    ],
)
def test_volumes_need_a_daemon_with_the_same_files_and_users(told: dict[str, Any], uid: int, mounts: bool):
    """
    A daemon in a virtual machine has other files, and one that renumbers users another uid 1000.
    """
    assert mounts_folders({"KernelVersion": os.uname().release, **told}, uid) is mounts
