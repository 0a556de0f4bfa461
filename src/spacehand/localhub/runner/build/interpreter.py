"""The Pythons of this machine that a Space can be run with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from spacehand.localhub.runner.card import CannotBuildError
from spacehand.stage import Stage

_OLDEST = (3, 8)
_FACTS = """
import json, platform, sys
base = getattr(sys, "_base_executable", None) or sys.executable
print(json.dumps([platform.python_version(), sys.base_prefix, platform.python_implementation(), base]))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that was started once and said what it is."""

    path: Path
    version: str  # 3.11.7
    prefix: Path  # where its standard library lies

    @property
    def minor(self) -> str:
        """``3.11``."""
        return ".".join(self.version.split(".")[:2])

    @property
    def order(self) -> tuple[int, ...]:
        """Newer is more."""
        return tuple(int(part) for part in self.version.split("."))


@dataclass(frozen=True, slots=True)
class Choice:
    """The interpreter a Space gets, and how that differs from what it asked for."""

    interpreter: Interpreter
    differences: tuple[str, ...] = ()


def choose(
    wanted: str | None,
    *,
    any_python: bool = False,
    there: Sequence[Interpreter] | None = None,
    own: Interpreter | None = None,
) -> Choice:
    """
    Return the interpreter for ``python_version: wanted``; without one, the Hub's own.

    Raises:
        CannotBuildError: none of that version is here, and *any_python* does not allow another.
    """
    own = own or current()
    if wanted is None:
        return Choice(own, (f"README names no python_version: this Hub runs Python {own.version}",))
    if own.version == wanted or own.minor == wanted:
        return Choice(own)
    found = there if there is not None else available()
    minor = ".".join(wanted.split(".")[:2])
    same = [one for one in found if one.minor == minor]
    if same:
        exact = [one for one in same if one.version == wanted]
        best = exact[0] if exact else max(same, key=lambda one: one.order)
        asked = wanted.count(".") == 2
        return Choice(
            best, (f"Python {best.version} runs instead of {wanted}",) if asked and not exact else ()
        )
    if any_python:
        newest = max([own, *found], key=lambda one: one.order)
        return Choice(newest, (f"Python {newest.version} runs instead of {wanted}, which is not here",))
    known = ", ".join(
        sorted({one.version for one in [own, *found]}, key=lambda text: [int(p) for p in text.split(".")])
    )
    raise CannotBuildError(
        Stage.CONFIG_ERROR,
        f"`python_version: {wanted}` in README: this machine has no Python {minor}, only {known}; "
        f"install it (`uv python install {minor}`), or start the Hub with `--any-python`",
    )


@lru_cache(maxsize=1)
def current() -> Interpreter:
    """Return the interpreter this Hub itself runs on, outside its virtual environment."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    found = _ask(Path(base)) or _ask(Path(sys.executable))
    if found is None:
        raise RuntimeError(f"{base} does not start")
    return found


@lru_cache(maxsize=1)
def available() -> tuple[Interpreter, ...]:
    """Return every CPython found on PATH, among uv's, pyenv's and the system's, each once."""
    seen: dict[Path, Interpreter] = {}
    for path in _candidates(Path.home(), os.environ):
        found = _ask(path)
        if found is not None and found.order >= _OLDEST:
            seen.setdefault(found.path.resolve(), found)
    return tuple(seen.values())


def _candidates(home: Path, environment: os._Environ[str] | dict[str, str]) -> Iterable[Path]:
    folders = [Path(part) for part in environment.get("PATH", "").split(os.pathsep) if part]
    # pyenv's shims start a shell first, and say no for all versions but the chosen one.
    bins = [folder for folder in folders if folder.name != "shims"]
    bins += [Path("/usr/bin"), Path("/usr/local/bin")]
    pyenv = Path(environment.get("PYENV_ROOT") or home / ".pyenv")
    uv = Path(environment.get("UV_PYTHON_INSTALL_DIR") or home / ".local/share/uv/python")
    for root in (pyenv / "versions", uv):
        bins += sorted(root.glob("*/bin"))
    seen = set()
    for folder in bins:
        for path in sorted(folder.glob("python3*")):
            suffix = path.name.removeprefix("python3").removeprefix(".")
            if suffix and not suffix.isdigit():
                continue  # python3-config, python3.11-gdb
            real = path.resolve()
            if real not in seen and os.access(real, os.X_OK):
                seen.add(real)
                yield path


@lru_cache(maxsize=128)
def _ask(path: Path) -> Interpreter | None:
    try:
        answer = subprocess.run([path, "-I", "-c", _FACTS], capture_output=True, timeout=20, check=True)
        version, prefix, implementation, base = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if implementation != "CPython" or not version.replace(".", "").isdigit():
        return None  # PyPy, or a pre-release
    return Interpreter(Path(base), version, Path(prefix))
