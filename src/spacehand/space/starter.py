"""A folder to begin with: a bundled template, copied to where its new author works on it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from spacehand.errors import UsageError
from spacehand.space.front_matter import FrontMatter
from spacehand.space.settings_file import FILE_NAME
from spacehand.space.template import Template, template, template_names

# What running and editing a template in its own folder leaves behind.
_LEFT_BEHIND = shutil.ignore_patterns("__pycache__", "*.py[co]", ".*_cache", ".venv", ".gradio", ".DS_Store")


@dataclass(frozen=True, slots=True)
class Started:
    """A new app folder; *files* are relative to it, sorted."""

    folder: Path
    sdk: str
    files: tuple[str, ...]


def begin(name: str, folder: Path) -> Started:
    """
    Copy the template *name* to *folder*, which is new or empty, and return what is there now.

    Raises:
        NotFoundError: there is no such template.
        UsageError: *folder* holds something already, or is no folder.
    """
    chosen = template(name)
    folder = folder.expanduser()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"`{folder}` is a file", hint="Name a folder that does not exist yet")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"`{folder}` is not empty", hint="Name a folder that does not exist yet")
    shutil.copytree(chosen.folder, folder, ignore=_LEFT_BEHIND, dirs_exist_ok=True)
    if not chosen.engines:
        _forget_template(folder / FILE_NAME)
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return Started(folder, sdk_of(chosen), tuple(found))


def templates() -> tuple[Template, ...]:
    """Return every bundled template, in the order of their names."""
    return tuple(template(name) for name in template_names())


def sdk_of(chosen: Template) -> str:
    """Return the SDK that the template's header names."""
    return str(FrontMatter.read(chosen.folder / "README.md").values["sdk"])


def _forget_template(settings: Path) -> None:
    """Remove ``[template]``: it tells of the bundled folder, and the copy is an app of its own."""
    if not settings.is_file():
        return
    document = tomlkit.parse(settings.read_text(encoding="utf-8"))
    if document.pop("template", None) is not None:
        settings.write_text(tomlkit.dumps(document).lstrip("\n"), encoding="utf-8")
