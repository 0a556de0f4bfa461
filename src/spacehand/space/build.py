"""From a described Space to the very folder that is pushed: nothing more, nothing less."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pathspec

from spacehand.errors import ConfigError, UsageError
from spacehand.hub import leaks
from spacehand.hub._protocol import LocalFile
from spacehand.space.front_matter import FrontMatter
from spacehand.space.settings_file import FILE_NAME
from spacehand.space.spec import SpaceSpec
from spacehand.space.template import bundled

LARGE = 10 * 1024 * 1024  # bytes; the Hub takes a larger file only by LFS or Xet

# What lies about in a working folder and has no business in a Space.
_NEVER = (
    ".git/",
    ".hg/",
    ".env",
    ".env.*",
    "!.env.example",
    "__pycache__/",
    "*.py[co]",
    ".venv/",
    "venv/",
    "node_modules/",
    ".ipynb_checkpoints/",
    ".*_cache/",
    ".cache/",
    ".gradio/",
    ".tox/",
    "*.egg-info/",
    ".DS_Store",
    "Thumbs.db",
    "*.swp",
    FILE_NAME,
)


@dataclass(frozen=True, slots=True)
class BuiltSpace:
    """A folder on disk that is exactly what a deploy pushes."""

    folder: Path
    files: tuple[LocalFile, ...]  # sorted by path
    front_matter: FrontMatter
    sdk: str
    bytes: int
    large: tuple[str, ...]  # files that travel by LFS or Xet
    left_out: tuple[str, ...]  # files that are there to hold secrets, by their names
    digest: str  # sha256 over all paths and contents: equal digests, equal Spaces


def build(spec: SpaceSpec, output: Path, *, replace: bool = False) -> BuiltSpace:
    """
    Write the Space that *spec* describes to *output*, and return what was written.

    The same input gives the same bytes. A folder that holds something is emptied first with *replace*, and
    else left alone.

    Raises:
        UsageError: *output* lies in the app's folder (or the other way round), or holds something already.
        ConfigError: an engine or a vendored package is missing, or a link leads out of the folder.
        LeakedSecretError: a file holds a secret.
    """
    sources = _sources(spec)
    local = [LocalFile(path, source=source) for path, source in sorted(sources.items())]
    leaks.refuse(local)
    _make_room(output, spec.folder, replace=replace)
    for path, source in sources.items():
        target = output / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    (output / "README.md").write_text(spec.front_matter.text(), encoding="utf-8", newline="\n")
    return _described(output, spec)


def _sources(spec: SpaceSpec) -> dict[str, Path]:
    excluded = pathspec.PathSpec.from_lines("gitignore", [*_NEVER, *spec.exclude])
    sources = dict(_files_under(spec.folder, excluded))
    if spec.engine or (spec.folder / "requirements").is_dir():
        _choose_requirements(spec, sources)
    for name in spec.vendor:
        _vendor(name, spec, sources)
    return sources


def _files_under(folder: Path, excluded: pathspec.PathSpec) -> Iterator[tuple[str, Path]]:
    root = folder.resolve()
    for place, names, files in os.walk(folder):
        here = Path(place)
        relative = here.relative_to(folder).as_posix()
        prefix = "" if relative == "." else f"{relative}/"
        names[:] = sorted(name for name in names if not excluded.match_file(f"{prefix}{name}/"))
        links = [name for name in names if (here / name).is_symlink()]  # os.walk does not follow them
        for name in [*sorted(files), *links]:
            path = f"{prefix}{name}"
            if excluded.match_file(path) or leaks.is_secret_file(path):
                continue
            source = here / name
            if source.is_symlink():
                _check_link(path, source, root)
            if not source.is_file():
                raise ConfigError(f"`{path}` is not a plain file", where=str(source), hint="Exclude it")
            yield path, source


def _check_link(path: str, source: Path, root: Path) -> None:
    target = source.resolve()
    if not target.is_relative_to(root):
        raise ConfigError(
            f"`{path}` is a link that leads out of the folder",
            where=str(source),
            hint="Copy the file in its place",
        )
    if not target.exists():
        raise ConfigError(f"`{path}` is a link to nothing", where=str(source), hint="Remove it")


def _choose_requirements(spec: SpaceSpec, sources: dict[str, Path]) -> None:
    """Put the engine's requirements in the place where the Hub looks, and leave the other engines' out."""
    lists = {Path(path).stem: source for path, source in sources.items() if _is_engine_list(path)}
    if not lists and not spec.engine:
        return  # a folder that happens to be called `requirements`
    engine = spec.engine or (next(iter(lists)) if len(lists) == 1 else None)
    names = ", ".join(f"`{name}`" for name in sorted(lists)) or "none"
    if engine is None:
        raise ConfigError(
            f"Several engines could run this Space: {names}",
            where=str(spec.folder / "requirements"),
            hint='Choose one in spacehand.toml: `[space] engine = "…"`',
        )
    if engine not in lists:
        raise ConfigError(
            f"There is no `requirements/{engine}.txt`", where=str(spec.folder), hint=f"There are: {names}"
        )
    for path in [path for path in sources if _is_engine_list(path)]:
        del sources[path]
    sources["requirements.txt"] = lists[engine]


def _is_engine_list(path: str) -> bool:
    return path.startswith("requirements/") and path.count("/") == 1 and path.endswith(".txt")


def _vendor(name: str, spec: SpaceSpec, sources: dict[str, Path]) -> None:
    if any(path == f"{name}.py" or path.startswith(f"{name}/") for path in sources):
        raise ConfigError(
            f"`{name}` is to be vendored, but the folder has one already",
            where=str(spec.folder / name),
            hint=f"Remove the folder, or take `{name}` out of `vendor`",
        )
    package = _package(name)
    if package is None:
        raise ConfigError(
            f"The package `{name}` is to be vendored, but is not installed here",
            where=str(spec.folder),
            hint=f"Install `{name.replace('_', '-')}`, or take it out of `vendor`",
        )
    for path, source in _files_under(package, pathspec.PathSpec.from_lines("gitignore", _NEVER)):
        if source.suffix in (".so", ".pyd", ".dylib"):
            raise ConfigError(f"`{name}` has compiled parts and cannot be vendored", where=str(source))
        sources[f"{name}/{path}"] = source


def _package(name: str) -> Path | None:
    if not name.isidentifier():
        raise ConfigError(f"`{name}` is not the name of a package", hint="Write it as in `import name`")
    if inside := bundled(name):
        return inside
    found = importlib.util.find_spec(name)
    places = list(found.submodule_search_locations or ()) if found else []
    return Path(places[0]) if places else None


def _make_room(output: Path, folder: Path, *, replace: bool) -> None:
    inner, outer = output.resolve(), folder.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise UsageError(
            f"`{output}` and the app's folder `{folder}` lie in one another",
            hint="Build into a folder elsewhere",
        )
    if output.exists() and not output.is_dir():
        raise UsageError(f"`{output}` is a file", hint="Give an empty or a new folder")
    if output.is_dir() and any(output.iterdir()):
        if not replace:
            raise UsageError(f"`{output}` is not empty", hint="Give an empty or a new folder")
        shutil.rmtree(output)
    output.mkdir(parents=True, exist_ok=True)


def _described(output: Path, spec: SpaceSpec) -> BuiltSpace:
    paths = sorted(path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    sizes = {path: (output / path).stat().st_size for path in paths}
    for path in paths:
        with (output / path).open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{content}  {path}\n".encode())
    return BuiltSpace(
        folder=output,
        files=tuple(LocalFile(path, source=output / path) for path in paths),
        front_matter=spec.front_matter,
        sdk=spec.sdk,
        bytes=sum(sizes.values()),
        large=tuple(path for path, size in sizes.items() if size > LARGE),
        left_out=_secret_files(spec.folder),
        digest=digest.hexdigest(),
    )


def _secret_files(folder: Path) -> tuple[str, ...]:
    found = []
    for place, names, files in os.walk(folder):
        names[:] = [name for name in names if name not in (".git", ".venv", "venv", "node_modules")]
        paths = [(Path(place) / name).relative_to(folder).as_posix() for name in files]
        found += [path for path in paths if leaks.is_secret_file(path)]
    return tuple(sorted(found))
