"""spacehand.toml, read once: every value remembers the file and line it came from."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacehand.errors import ConfigError

FILE_NAME = "spacehand.toml"

KeyPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """One source of settings; *where* tells the place of a key, for messages."""

    values: Mapping[str, Any]
    where: Callable[[KeyPath], str]


def settings_document(folder: Path) -> Document | None:
    """
    Return the settings of *folder*: ``spacehand.toml``, else ``[tool.spacehand]`` of ``pyproject.toml``.

    Raises:
        ConfigError: the file is not valid TOML.
    """
    own = folder / FILE_NAME
    if own.is_file():
        return _parse(own, ())
    project = folder / "pyproject.toml"
    if project.is_file() and "spacehand" in project.read_text(encoding="utf-8", errors="replace"):
        document = _parse(project, ("tool", "spacehand"))
        return document if document.values else None
    return None


def given(values: Mapping[str, Any], label: str) -> Document:
    """Return settings that came from no file: the command line, a model's facts."""
    return Document(values, lambda _path: label)


def _parse(file: Path, prefix: KeyPath) -> Document:
    try:
        text = file.read_text(encoding="utf-8")
        values: Any = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"`{file.name}` is not UTF-8 text", where=str(file)) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"`{file.name}` is not valid TOML: {error}", where=_error_place(file, error)
        ) from error
    for name in prefix:
        values = values.get(name, {})
    lines = _lines_of_keys(text)

    def where(path: KeyPath) -> str:
        full = prefix + path
        while full:
            if full in lines:
                return f"{file}:{lines[full]}"
            full = full[:-1]  # a key of an inline table stands on its owner's line
        return str(file)

    return Document(values, where)


def _error_place(file: Path, error: tomllib.TOMLDecodeError) -> str:
    found = re.search(r"at line (\d+)", str(error))
    return f"{file}:{found[1]}" if found else str(file)


_HEADER = re.compile(r"\s*\[\[?\s*([^\]]+?)\s*\]")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)


def _lines_of_keys(text: str) -> dict[KeyPath, int]:
    """Return each key's line number; tomllib does not tell. For messages only, so a near miss is harmless."""
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _split(header[1])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault(table + _split(key[1]), number)
    return lines


def _split(dotted: str) -> KeyPath:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the merged settings; every question names the place of a wrong answer."""

    path: KeyPath
    values: Mapping[str, Any]
    origins: Mapping[KeyPath, str]

    def where(self, name: str) -> str | None:
        """Return ``file:line`` of the key *name*."""
        return self.origins.get((*self.path, name)) or self.origins.get(self.path)

    def only(self, *known: str) -> None:
        """
        Check that no other key than *known* is here.

        Raises:
            ConfigError: one is; the nearest known name is the hint.
        """
        for name in self.values:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                hint = (
                    f"Did you mean `{near[0]}`?"
                    if near
                    else f"Known here: {', '.join(f'`{k}`' for k in known)}"
                )
                raise ConfigError(f"Unknown setting `{self._full(name)}`", where=self.where(name), hint=hint)

    def table(self, name: str) -> Table:
        """Return the table *name*, empty when it is not there."""
        value = self.values.get(name, {})
        if not isinstance(value, Mapping):
            raise self.wrong(name, "a table", f"Write it as `[{self._full(name)}]`")
        return Table((*self.path, name), value, self.origins)

    def text(self, name: str) -> str | None:
        """Return the text *name*, None when it is not there."""
        value = self.values.get(name)
        if value is None or (isinstance(value, str) and value):
            return value
        raise self.wrong(name, "a text that is not empty")

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts *name*; one alone counts as a list of one."""
        value = self.values.get(name, [])
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, Sequence) or not all(isinstance(item, str) and item for item in value):
            raise self.wrong(name, "a list of texts", f'Write it as `{name} = ["…", "…"]`')
        return tuple(value)

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Return the text *name*, which has to be one of *allowed*."""
        value = self.values.get(name, default)
        if value in allowed:
            return str(value)
        listed = ", ".join(f"`{item}`" for item in allowed)
        raise ConfigError(f"`{self._full(name)}` must be one of {listed}", where=self.where(name))

    def wrong(self, name: str, expected: str, hint: str | None = None) -> ConfigError:
        """Return the error that says *name* should be *expected*; never the value, it may be a secret."""
        kind = _KINDS.get(type(self.values.get(name)), "something else")
        return ConfigError(
            f"`{self._full(name)}` must be {expected}, not {kind}", where=self.where(name), hint=hint
        )

    def _full(self, name: str) -> str:
        return ".".join((*self.path, name))


_KINDS: dict[type, str] = {
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


# A list or one of these tables is one thing: a later source replaces it as a whole.
_WHOLE = frozenset({("probe", "expect"), ("template", "engines")})


def merged(documents: Sequence[Document]) -> Table:
    """Return all *documents* as one table; later ones win, key by key."""
    values: dict[str, Any] = {}
    origins: dict[KeyPath, str] = {}
    for document in documents:
        _merge(values, document.values, (), document.where, origins)
    return Table((), values, origins)


def _merge(
    into: dict[str, Any],
    values: Mapping[str, Any],
    path: KeyPath,
    where: Callable[[KeyPath], str],
    origins: dict[KeyPath, str],
) -> None:
    for name, value in values.items():
        here = (*path, name)
        origins[here] = where(here)
        is_whole = here in _WHOLE or path == ("secrets",)
        if isinstance(value, Mapping) and not is_whole:
            old = into.get(name)
            into[name] = dict(old) if isinstance(old, Mapping) else {}
            _merge(into[name], value, here, where, origins)
        else:
            into[name] = value


Schema = Mapping[str, Sequence[str] | None]


def check_names(settings: Table, schema: Schema) -> None:
    """
    Check that *settings* has only the tables of *schema*, and these only their own keys.

    Raises:
        ConfigError: something else is there.
    """
    settings.only(*schema)
    for name, known in schema.items():
        table = settings.table(name)
        if known is not None:
            table.only(*known)


def for_environment(document: Document, environment: str | None, schema: Schema) -> list[Document]:
    """
    Return *document* without its ``[env]`` tables, then the one of *environment* as a document of its own.

    Raises:
        ConfigError: no such environment is described.
    """
    base = {name: value for name, value in document.values.items() if name != "env"}
    environments = document.values.get("env", {})
    if not isinstance(environments, Mapping):
        raise ConfigError("`env` must be a table", where=document.where(("env",)))
    for label, tables in environments.items():
        if not isinstance(tables, Mapping):
            raise ConfigError(f"`env.{label}` must be a table", where=document.where(("env", label)))
        check_names(merged([document]).table("env").table(label), schema)
    if environment is None:
        return [Document(base, document.where)]
    if environment not in environments:
        names = ", ".join(f"`{name}`" for name in environments) or "none"
        raise ConfigError(
            f"There is no environment `{environment}`",
            where=document.where(("env",)),
            hint=f"Described: {names}; add `[env.{environment}.space]`",
        )
    overlay = Document(environments[environment], lambda path: document.where(("env", environment, *path)))
    return [Document(base, document.where), overlay]
