"""
Card templates of older projects: ``{{name}}``, ``{{{name}}}``, ``{{name|default:'N/A'}}``, ``{{#if name}}``,
``{{#unless name}}``, ``{{#each name}}``, ``{{else}}``, nested as one likes.

A line whose variables are all unknown is left out, so that nothing is claimed; no ``{{`` ever remains.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spacehand.errors import ConfigError

_TAG = re.compile(r"\{\{\{\s*(?P<raw>[^{}]+?)\s*\}\}\}|\{\{\s*(?P<tag>[^{}]+?)\s*\}\}")
_OUTPUT = re.compile(
    r"&?(?P<name>[A-Za-z_@][\w.-]*)(?:\s*\|\s*default\s*[:(]\s*(?P<default>.*?)\s*\)?)?", re.DOTALL
)
_LEGACY = re.compile(r"\{\{\s*(?:#|/|else\b|!)|\{\{\{|\|\s*default\s*:")
_NATIVE = re.compile(r"\{%|\{#|\{\{[^{}]*[|.(\[][^{}]*\}\}")
_FALSE = frozenset({"", "false", "no", "none", "0"})
# Marks in the rendered text of where a value stood, or was missing; a card never holds these letters.
_GIVEN, _MISSING = "\x01", "\x02"


@dataclass(slots=True)
class _Block:
    """``{{#word name}}`` … ``{{else}}`` … ``{{/word}}``; the template itself is one without a word."""

    word: str
    name: str
    line: int
    then: list[str | _Output | _Block] = field(default_factory=list)
    otherwise: list[str | _Output | _Block] | None = None

    def add(self, node: str | _Output | _Block) -> None:
        (self.then if self.otherwise is None else self.otherwise).append(node)


@dataclass(frozen=True, slots=True)
class _Output:
    name: str
    default: str | None


def is_legacy(template: str) -> bool:
    """Whether *template* is in the language of older projects, and not in Jinja."""
    return bool(_LEGACY.search(template)) or not _NATIVE.search(template)


def render(
    template: str, variables: Mapping[str, Any], *, show: Callable[[Any], str] = str, where: str = "template"
) -> str:
    """
    Return *template* with *variables* filled in, each as *show* writes it.

    Raises:
        ConfigError: a block has no end or no beginning, or a tag is none of the language.
    """
    root = _parse(template, where)
    pieces = "".join(_render(root.then, variables, show))
    return "".join(_without_empty_lines(pieces))


def _parse(template: str, where: str) -> _Block:
    stack = [_Block("", "", 1)]
    place = 0
    for match in _TAG.finditer(template):
        start, end = _alone_on_its_line(template, match) or match.span()
        stack[-1].add(_plain(template[place:start]))
        place = end
        line = template.count("\n", 0, match.start()) + 1
        _take(stack, match["raw"] or match["tag"], f"{where}:{line}", line)
    stack[-1].add(_plain(template[place:]))
    if len(stack) > 1:
        word, line = stack[-1].word, stack[-1].line
        raise ConfigError(f"`{{{{#{word}}}}}` has no `{{{{/{word}}}}}`", where=f"{where}:{line}")
    return stack[0]


def _alone_on_its_line(template: str, match: re.Match[str]) -> tuple[int, int] | None:
    """Return the whole line of a tag that says nothing itself and has no company, so that no gap is left."""
    if not re.match(r"[#/!]|else\Z", match["tag"] or ""):
        return None
    start = template.rfind("\n", 0, match.start()) + 1
    end = template.find("\n", match.end())
    end = len(template) if end < 0 else end + 1
    alone = not template[start : match.start()].strip() and not template[match.end() : end].strip()
    return (start, end) if alone else None


def _plain(text: str) -> str:
    return text.replace("{{", "&#123;&#123;")


def _take(stack: list[_Block], tag: str, where: str, line: int) -> None:
    if tag.startswith("!"):
        return
    if opened := re.fullmatch(r"#\s*(if|unless|each)\s+([\w.@-]+)", tag):
        block = _Block(opened[1], opened[2], line)
        stack[-1].add(block)
        stack.append(block)
    elif tag == "else" and len(stack) > 1 and stack[-1].otherwise is None:
        stack[-1].otherwise = []
    elif closed := re.fullmatch(r"/\s*(if|unless|each)", tag):
        if stack[-1].word != closed[1]:
            raise ConfigError(f"`{{{{/{closed[1]}}}}}` closes nothing", where=where)
        stack.pop()
    elif tag != "else" and (output := _OUTPUT.fullmatch(tag)):
        default = output["default"]
        stack[-1].add(_Output(output["name"], None if default is None else default.strip("'\"")))
    else:
        raise ConfigError(
            f"`{{{{{tag}}}}}` is no tag of a card template",
            where=where,
            hint="Known are `{{name}}`, `{{name|default:'…'}}`, `{{#if name}}`, `{{#unless name}}`, "
            "`{{#each name}}` and `{{else}}`",
        )


def _render(
    nodes: Sequence[str | _Output | _Block], variables: Mapping[str, Any], show: Callable[[Any], str]
) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, str):
            yield node
        elif isinstance(node, _Output):
            value = _look_up(node.name, variables)
            value = node.default if value is None or value == "" else value
            yield _MISSING if value is None else _GIVEN + show(value).translate({1: None, 2: None})
        elif node.word == "each":
            yield from _render_each(node, variables, show)
        else:
            chosen = (
                node.then
                if _is_true(_look_up(node.name, variables)) != (node.word == "unless")
                else node.otherwise
            )
            yield from _render(chosen or (), variables, show)


def _render_each(node: _Block, variables: Mapping[str, Any], show: Callable[[Any], str]) -> Iterator[str]:
    values = _look_up(node.name, variables)
    entries = list(values) if isinstance(values, list | tuple) else []
    if not entries:
        yield from _render(node.otherwise or (), variables, show)
    for number, entry in enumerate(entries):
        own = entry if isinstance(entry, Mapping) else {}
        yield from _render(node.then, {**variables, **own, "this": entry, "@index": number}, show)


def _look_up(name: str, variables: Mapping[str, Any]) -> Any:
    if name in variables:
        return variables[name]
    value: Any = variables
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _is_true(value: Any) -> bool:
    # The older scripts hand over what stood on a command line: `--quantized-models False`.
    return value.strip().lower() not in _FALSE if isinstance(value, str) else bool(value)


def _without_empty_lines(text: str) -> Iterator[str]:
    for line in text.splitlines(keepends=True):
        if _MISSING not in line or _GIVEN in line:
            yield line.replace(_GIVEN, "").replace(_MISSING, "")
