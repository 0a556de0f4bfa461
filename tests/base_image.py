"""The root file system that tests' images begin with: a small Debian with Python and pip."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from spacehand.localhub.runner.build.package_index import certificates, pip_configuration

BASES = ("python:3.11", "python:3.11-slim")

_PLACE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spacehand-tests" / "base"
_SUITE = "bookworm"
_PACKAGES = ("python3", "python3-pip", "ca-certificates")
# As in the image `python`: a plain `python`, and a pip that may install.
_CUSTOMIZE = (
    'ln -s /usr/bin/python3 "$1/usr/local/bin/python"',
    'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
)


def base_tar() -> Path:
    """Return the root file system as a tar, from where this machine's apt takes its packages."""
    digest = hashlib.sha256(repr((_SUITE, _PACKAGES, _CUSTOMIZE)).encode()).hexdigest()[:16]
    tar = _PLACE / f"{digest}.tar"
    tar.parent.mkdir(parents=True, exist_ok=True)
    with tar.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tar.exists():
            fresh = tar.with_suffix(".new.tar")
            words = ["mmdebstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}"]
            words += [f"--customize-hook={line}" for line in _CUSTOMIZE]
            done = subprocess.run([*words, _SUITE, fresh], capture_output=True, text=True)
            assert done.returncode == 0, f"mmdebstrap failed: {done.stderr[-2000:]}"
            fresh.replace(tar)
    return tar


def base_context(folder: Path) -> str:
    """
    Put into *folder* what lets an image install packages as this machine does.

    Return the lines of a Dockerfile that add it.
    """
    (folder / "pip.conf").write_text(pip_configuration())
    lines = ["COPY pip.conf /etc/pip.conf"]
    trusted = certificates()
    if trusted is not None:
        shutil.copy(trusted, folder / "certificates.pem")
        lines.append("COPY certificates.pem /etc/ssl/certs/ca-certificates.crt")
    return "\n".join([*lines, ""])


def fill_buildah(folder: Path) -> None:
    """Put the bases that tests build on into the storage that a Hub's buildah has in *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    places = [
        "--root",
        str(folder / "storage"),
        "--runroot",
        str(folder / "run"),
        "--storage-driver",
        "overlay",
    ]
    with tempfile.TemporaryDirectory(dir=folder) as name:
        context = Path(name)
        shutil.copy(base_tar(), context / "base.tar")
        (context / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n" + base_context(context))
        tags = [word for base in BASES for word in ("--tag", f"docker.io/library/{base}")]
        words = ["buildah", *places, "bud", "--quiet", "--isolation", "chroot", *tags, name]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, f"buildah failed: {done.stderr[-2000:]}"
