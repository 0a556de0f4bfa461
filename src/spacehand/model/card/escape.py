"""Words of others, made harmless for the place of a card they stand in."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~!])")
_OPENING = {"{{": "&#123;&#123;", "{%": "&#123;%", "<!-- spacehand:": "&lt;!-- spacehand:"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(value: object) -> str:
    """Return *value* as text that every encoder takes: no control characters, no lone surrogates."""
    return _CONTROL.sub("", str(value).replace("\r\n", "\n").replace("\r", "\n"))


def prose(value: object) -> str:
    """Return a person's Markdown as it is, but for what would be taken for a template or a region's fence."""
    text = clean(value)
    for found, harmless in _OPENING.items():
        text = text.replace(found, harmless)
    return re.sub(r"^(\s*)(---+|===+)\s*$", r"\1\\\2", text, flags=re.MULTILINE)


def text(value: object) -> str:
    """Return *value* as one line of plain text, whatever Markdown it holds."""
    line = " ".join(clean(value).split())
    escaped = _MARKDOWN.sub(r"\\\1", line.replace("&", "&amp;"))
    # `\{\{` is shown as two braces, and is no template to anybody.
    return re.sub(r"\A([-+]|[0-9]+[.)])(?=\s|\Z)", r"\\\1", escaped)


def code(value: object) -> str:
    """Return *value* as one line in the type of code, safe in a table too."""
    line = " ".join(clean(value).split())
    if any(letter in line for letter in "`|{<\\&") or not line:
        escaped = html.escape(line, quote=False).replace("{", "&#123;").replace("|", "&#124;")
        escaped = re.sub(r"([\\`*_\[\]~])", lambda match: f"&#{ord(match[1])};", escaped)
        return f"<code>{escaped}</code>"
    return f"`{line}`"


FILTERS: dict[str, Callable[[object], str]] = {"prose": prose, "text": text, "code": code}
