"""The official client's own tests: taken from its source distribution, changed in nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

_HERE = Path(__file__).parent
_LOCK = _HERE.parent / "requirements.lock"


class SourceUnavailableError(Exception):
    """The package index does not give the client's source distribution."""


def locked_version() -> str:
    """Return the version of the client that this checkout is built with."""
    found = re.search(r"^huggingface-hub==(\S+)", _LOCK.read_text(), re.MULTILINE)
    if found is None:
        raise SourceUnavailableError(f"{_LOCK.name} names no huggingface-hub")
    return found[1]


def unpack(version: str, folder: Path) -> Path:
    """
    Return the folder of the client's tests, taken from the configured package index.

    Raises:
        SourceUnavailableError: the index has no source distribution of this version.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    command += ["--dest", str(folder), f"huggingface_hub=={version}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    archives = list(folder.glob("*.tar.gz"))
    if done.returncode or not archives:
        raise SourceUnavailableError(done.stderr.strip() or "no source distribution was downloaded")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    return _furnish(folder / archives[0].name.removesuffix(".tar.gz") / "tests")


def _furnish(tests: Path) -> Path:
    """Add what the distribution leaves out: the package's marker and the fixtures, ours."""
    (tests / "__init__.py").touch()
    shutil.copyfile(_HERE / "fixtures.py", tests / "conftest.py")
    return tests
