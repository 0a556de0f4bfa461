"""Python environments of their own for tests of what is not a dependency of the tool: torch, Ray, Shiny."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from spacehand.localhub.runner.build.package_index import uv_environment

_PLACE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spacehand-tests" / "environments"


def environment_with(*requirements: str, files: Sequence[Path] = ()) -> Path:
    """
    Return the Python of an environment that holds *requirements* and what *files* ask for.

    It is made once and kept for later runs: the name is a digest of what was asked for and of this Python.
    Folders may be asked for as ``./path``; they are installed as they are now, and not again while no file of
    them has changed: another test may be running what is there.
    """
    packages = [word for word in requirements if not word.startswith((".", "/"))]
    folders = [word for word in requirements if word.startswith((".", "/"))]
    texts = [path.read_text() for path in files]
    digest = hashlib.sha256("\n".join([sys.version, *sorted(packages), *texts]).encode()).hexdigest()[:16]
    folder = _PLACE / digest
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            _make(folder, packages, files)
        python = folder / "bin/python"
        _install(python, folders, folder / "folders")
    return python


def _install(python: Path, folders: Sequence[str], installed: Path) -> None:
    """Install *folders*, unless by what *installed* remembers of the last time they are there."""
    known = installed.read_text().splitlines() if installed.exists() else []
    states = [_state(Path(folder)) for folder in folders]
    if not set(states) <= set(known):
        installed.unlink(missing_ok=True)
        _uv("pip", "install", "--python", str(python), "--no-deps", "--reinstall", *folders)
        installed.write_text("\n".join(states))


def _state(folder: Path) -> str:
    """Return a digest of a wheel, or of all that git would keep of *folder*."""
    if folder.is_file():
        return hashlib.sha256(folder.read_bytes()).hexdigest()
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=folder, capture_output=True, check=True).stdout.split(b"\0")
    digest = hashlib.sha256()
    for name in sorted(filter(None, listed)):
        path = folder / os.fsdecode(name)
        if path.is_file():
            digest.update(name + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _make(folder: Path, packages: Sequence[str], files: Sequence[Path]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _uv("venv", "--python", sys.executable, str(folder))
    lists = [word for path in files for word in ("-r", str(path))]
    _uv("pip", "install", "--python", str(folder / "bin/python"), *packages, *lists)
    (folder / "made").touch()


def _uv(*arguments: str) -> None:
    uv = Path(sys.executable).parent / "uv"
    done = subprocess.run([uv, "--quiet", *arguments], env=uv_environment(), capture_output=True, text=True)
    assert done.returncode == 0, f"uv {arguments[0]} failed: {done.stderr[-2000:]}"
