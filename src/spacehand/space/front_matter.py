"""The YAML header of a Space's README.md: read strictly, changed without losing a comment."""

from __future__ import annotations

import io
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from spacehand.errors import FrontMatterError

COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
SDKS = ("gradio", "docker", "static")
SHORT_DESCRIPTION_LIMIT = 60  # characters

_HEADER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_PYTHON = re.compile(r"3\.\d{1,2}(?:\.\d{1,2})?\Z")


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """A README in three parts: the header's *values*, the header as written, and the *body* under it."""

    values: Mapping[str, Any]
    header: str  # YAML, without the lines of dashes
    body: str
    where: str  # the file, for messages
    lines: Mapping[str, int] = field(default_factory=dict, repr=False)  # of the top-level keys, from 1
    changes: Mapping[str, Any] = field(default_factory=dict)  # not yet in *header*

    @classmethod
    def read(cls, file: Path) -> FrontMatter:
        """
        Return the front matter of the README *file*, empty when there is no file or no header.

        Raises:
            FrontMatterError: the header is not valid YAML, or no table of keys and values.
        """
        if not file.is_file():
            return cls({}, "", "", str(file))
        try:
            return cls.parse(file.read_text(encoding="utf-8"), str(file))
        except UnicodeDecodeError as error:
            raise FrontMatterError("The README is not UTF-8 text", where=str(file)) from error

    @classmethod
    def parse(cls, text: str, where: str = "README.md") -> FrontMatter:
        """
        Return the front matter of the README *text*.

        Raises:
            FrontMatterError: the header is not valid YAML, or no table of keys and values.
        """
        text = text.replace("\r\n", "\n")
        found = _HEADER.match(text)
        if not found:
            if re.match(r"\A\ufeff?---[ \t]*\n", text):
                raise FrontMatterError("The front matter has no closing `---`", where=f"{where}:1")
            return cls({}, "", text, where)
        header, body = found[1], text[found.end() :]
        try:
            values = yaml.load(header, Loader=_Loader)  # noqa: S506 - a SafeLoader
            node = yaml.compose(header, Loader=_Loader)
        except yaml.YAMLError as error:
            raise _yaml_error(error, where) from error
        if values is None:
            return cls({}, header, body, where)
        if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
            raise FrontMatterError("The front matter is no list of `key: value` lines", where=f"{where}:2")
        # The header starts on line 2, and YAML counts from 0.
        lines = {str(key.value): key.start_mark.line + 2 for key, _ in node.value}
        return cls({str(key): value for key, value in values.items()}, header, body, where, lines)

    def place(self, key: str) -> str:
        """Return ``file:line`` of *key*."""
        return f"{self.where}:{self.lines[key]}" if key in self.lines else self.where

    def with_values(self, changes: Mapping[str, Any]) -> FrontMatter:
        """Return this front matter with *changes* in it; a value that is there already changes nothing."""
        new = {key: value for key, value in changes.items() if self.values.get(key) != value}
        return replace(self, values={**self.values, **new}, changes={**self.changes, **new})

    def text(self) -> str:
        """Return the whole README; without changes it is the one that was read."""
        header = _merged(self.header, self.changes) if self.changes else self.header
        return f"---\n{header}---\n{self.body}" if header else self.body


def check_fields(front_matter: FrontMatter, folder: Path) -> None:
    """
    Check that the Hub would take these fields for the Space in *folder*.

    Raises:
        FrontMatterError: it would not; the first wrong field is named.
    """
    values = front_matter.values
    if "sdk" not in values:
        raise FrontMatterError(
            "The README's front matter names no `sdk`; the Hub would say `Missing configuration in README`",
            where=str(folder / "README.md"),
            hint="Add `sdk: gradio` (or docker, static) between `---` lines at the top of README.md",
        )
    for key in values:
        if problem := _problem(key, values[key]):
            raise FrontMatterError(problem[0], where=front_matter.place(key), hint=problem[1])
    if values["sdk"] == "docker" and not (folder / "Dockerfile").is_file():
        raise FrontMatterError("`sdk: docker` needs a `Dockerfile`", where=front_matter.place("sdk"))


def _problem(key: str, value: Any) -> tuple[str, str | None] | None:
    """Return what is wrong with *value* and what would be right, or None."""
    if key == "sdk":
        return _sdk_problem(value)
    if key in ("colorFrom", "colorTo") and value not in COLORS:
        return f"`{key}: {value}` is no colour of the Hub", f"Choose one of {', '.join(COLORS)}"
    if key in ("sdk_version", "python_version") and not isinstance(value, str):
        return f"`{key}: {value}` is a number: YAML reads 3.10 as 3.1", f'Quote it: `{key}: "…"`'
    if key == "python_version" and not _PYTHON.match(value):
        return f"`python_version: {value}` is no version of Python 3", 'Write it as `"3.11"` or `"3.11.9"`'
    if key == "app_port" and (not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65536):
        return f"`app_port: {value}` is no port", "Write a number between 1 and 65535, without quotes"
    if key == "short_description" and len(str(value)) > SHORT_DESCRIPTION_LIMIT:
        return (
            f"`short_description` has {len(value)} characters; the Hub takes {SHORT_DESCRIPTION_LIMIT}",
            None,
        )
    if key in ("title", "emoji", "app_file", "short_description", "license") and not isinstance(value, str):
        return f"`{key}` must be a text", f'Quote it: `{key}: "{value}"`'
    if key in ("models", "datasets", "tags") and not isinstance(value, list):
        return f"`{key}` must be a list", f"Write `{key}:` and under it `- …` lines"
    return None


def _sdk_problem(value: Any) -> tuple[str, str | None] | None:
    if value in SDKS:
        return None
    if value == "streamlit":
        return (
            "`sdk: streamlit` was retired by the Hub in April 2025",
            "Use `sdk: docker` with `app_port: 8501` and a Dockerfile that runs `streamlit run app.py`",
        )
    return f"`sdk: {value}` is no SDK of the Hub", f"Choose one of {', '.join(SDKS)}"


class _Loader(yaml.SafeLoader):
    """Safe, and as strict about repeated keys as the Hub."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if isinstance(name, Hashable) and name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"`{name}` is there twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def _yaml_error(error: yaml.YAMLError, where: str) -> FrontMatterError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be read"
    place = f"{where}:{mark.line + 2}" if mark else where
    hint = "Quote a text that holds `:`, `#`, `{` or `[`"
    return FrontMatterError(f"The front matter is not valid YAML: {problem}", where=place, hint=hint)


def _merged(header: str, changes: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    editor = YAML()  # round trip: comments, order and quotes stay
    editor.preserve_quotes = True
    editor.allow_unicode = True
    editor.width = 4096  # never fold a line the author wrote
    editor.indent(mapping=2, sequence=4, offset=2) if re.search(r"^ +- ", header, re.MULTILINE) else None
    document = editor.load(header) or CommentedMap()
    for key, value in changes.items():
        # A version would turn into a number, a hostile name into YAML: quotes are always right.
        document[key] = DoubleQuotedScalarString(value) if _needs_quotes(key, value) else value
    text = io.StringIO()
    editor.dump(document, text)
    return text.getvalue()


def _needs_quotes(key: str, value: object) -> bool:
    if not isinstance(value, str):
        return False
    is_plain = (
        re.fullmatch(r"[A-Za-z][\w ./-]*", value) and yaml.safe_load(value) == value
    )  # `Yes` is a truth
    return key.endswith("_version") or not is_plain
