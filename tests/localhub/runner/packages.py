"""Packages made for a test: wheels, and sources whose build runs what the test says."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

# A build backend of its own, so that building needs no other package.
_BACKEND = """
import os, sys, zipfile
{attack}
def _wheel(folder, text):
    name = "{name}-1.0-py3-none-any.whl"
    info = "{name}-1.0.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("{name}.py", text)
        wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n")
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "/RECORD", "")
    return name
def build_wheel(folder, config_settings=None, metadata_directory=None):
    return _wheel(folder, "SEEN = " + repr(attack()))
"""


def wheel(folder: Path, name: str, text: str) -> None:
    """Write the wheel of package *name* 1.0, whose module holds *text*."""
    scope: dict[str, object] = {}
    exec(compile(_BACKEND.format(attack="", name=name), "backend", "exec"), scope)  # noqa: S102 - our own
    scope["_wheel"](str(folder), text)  # type: ignore[operator]


def source(folder: Path, name: str, attack: str) -> None:
    """Write the source distribution of package *name* 1.0; building it runs the ``attack()`` of *attack*."""
    files = {
        "backend.py": _BACKEND.format(attack=attack, name=name),
        "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        f"[project]\nname = '{name}'\ndynamic = ['version']\n",
        "PKG-INFO": f"Metadata-Version: 1.0\nName: {name}\nVersion: 1.0\n",
    }
    with tarfile.open(folder / f"{name}-1.0.tar.gz", "w:gz") as archive:
        for path, text in files.items():
            info = tarfile.TarInfo(f"{name}-1.0/{path}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))


def files_with(folder: Path, text: str) -> list[Path]:
    """Return every file below *folder* that holds *text*, looking into wheels as well."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    content += b"".join(archive.read(name) for name in archive.namelist())
            if text.encode() in content:
                found.append(path)
    return found
