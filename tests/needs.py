"""What a test needs from the machine: skipped aloud where it is missing, a failure where it was promised."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

# SPACEHAND_REQUIRE=browser,sandbox,gitlfs,docker,buildah: there, a skip would hide a missing tool.
_PROMISED = frozenset(filter(None, os.environ.get("SPACEHAND_REQUIRE", "").split(",")))


def chromium() -> str:
    """Return the path of Chromium, or skip."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    _missing("browser", "Chromium is not installed")
    raise AssertionError  # not reached: _missing raises


def bwrap() -> str:
    """Return the path of a bubblewrap that works here, or skip."""
    found = shutil.which("bwrap")
    if found is None:
        _missing("sandbox", "bubblewrap is not installed")
    probe = [found or "", "--ro-bind", "/", "/", "--unshare-net", "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        _missing("sandbox", "bubblewrap is installed, but may not make namespaces here")
    return found or ""


def git_lfs() -> str:
    """Return the path of git-lfs, or skip."""
    found = shutil.which("git-lfs")
    if found is None:
        _missing("gitlfs", "git-lfs is not installed")
    return found or ""


def espeak() -> str:
    """Return the path of the speech synthesizer, or skip."""
    found = shutil.which("espeak-ng")
    if found is None:
        _missing("espeak", "espeak-ng is not installed")
    return found or ""


def docker() -> str:
    """Return the path of dockerd, with what tests make of it, or skip."""
    return _as_root("docker", "dockerd", "docker", "mmdebstrap", "nsenter")


def buildah() -> str:
    """Return the path of buildah, with what tests make of it, or skip."""
    return _as_root("buildah", "buildah", "bwrap", "mmdebstrap", "nsenter")


def _as_root(tool: str, *programs: str) -> str:
    for program in programs:
        if shutil.which(program) is None:
            _missing(tool, f"{program} is not installed")
    if os.geteuid():
        _missing(tool, f"{programs[0]} needs root")
    return shutil.which(programs[0]) or ""


def _missing(tool: str, why: str) -> None:
    if tool in _PROMISED:
        pytest.fail(f"{why}, and SPACEHAND_REQUIRE promises it")
    pytest.skip(why)
