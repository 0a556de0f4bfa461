"""``.gitattributes``, as far as it decides which files are large files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": re.escape("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}
# `**` is special only between slashes; elsewhere it is a `*`.
_TOKEN = re.compile(
    r"""
    (?P<folders> (?<![^/]) \*\* (?: / | \Z ) )
    | \*+
    | \[ (?P<negated> [!^]? ) (?P<inside> \]? (?: \[:[a-z]+:\] | \\. | [^\]\\] )* ) \]
    | \\ (?P<escaped> . )
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_IN_BRACKETS = re.compile(r"\[:(?P<named>[a-z]+):\]|\\(?P<escaped>.)|--+|[^-a-zA-Z0-9]", re.DOTALL)
_STAR, _FOLDERS = "[^/]*", "(?:.*/)?"
_LONGEST_LINE = 2048  # characters; git passes over longer ones, too
_LFS = "filter=lfs diff=lfs merge=lfs -text"


@dataclass(frozen=True, slots=True)
class LfsRules:
    """The lines of a ``.gitattributes`` that speak of ``filter``; as in git, the last that matches wins."""

    text: str
    _rules: tuple[tuple[re.Pattern[str], bool], ...]

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Return the rules in *content*; lines that git would not understand are passed over."""
        text = content.decode("utf-8", "replace")
        found = (_rule(line) for line in text.split("\n"))
        return cls(text, tuple(rule for rule in found if rule))

    def covers(self, path: str) -> bool:
        """Whether git sends *path* through LFS."""
        for pattern, is_lfs in reversed(self._rules):
            if pattern.fullmatch(path):
                return is_lfs
        return False

    def extended(self, paths: list[str]) -> bytes:
        """Return the file with one more line for each of *paths*."""
        text = self.text
        if text and not text.endswith("\n"):
            text += "\n"
        return (text + "".join(f"{_escaped(path)} {_LFS}\n" for path in paths)).encode()


def _rule(line: str) -> tuple[re.Pattern[str], bool] | None:
    line = line.strip(" \t\r")
    if not line or len(line) > _LONGEST_LINE or line.startswith(("#", "!", "[attr]")):
        return None
    pattern, states = _split(line)
    decided = None
    for state in states.split():
        name = state.lstrip("-!").partition("=")[0]
        if name == "filter":
            decided = state == "filter=lfs"
    if decided is None or pattern.endswith("/"):  # a folder has no attributes
        return None
    try:
        return _compiled(pattern), decided
    except re.error:
        return None


def _split(line: str) -> tuple[str, str]:
    """Take the pattern off *line*: up to the first blank, or in quotes."""
    quoted = re.match(r'"((?:[^"\\]|\\.)*)"\s', line)
    if quoted:
        return re.sub(r'\\(["\\])', r"\1", quoted[1]), line[quoted.end() :]
    pattern, _blank, states = re.sub(r"[ \t]+", " ", line).partition(" ")
    return pattern, states


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Translate git's wild cards; a pattern without a slash is matched by a file in any folder."""
    parts = [_translated(token) for token in _TOKEN.finditer(pattern.removeprefix("/"))]
    if "/" not in pattern:
        parts.insert(0, _FOLDERS)
    within = _first_fit(parts, _STAR, "(?>[^/]*?", ("/", _FOLDERS, _STAR))
    return re.compile("".join(_first_fit(within, _FOLDERS, "(?>(?:.*?/)??", (_FOLDERS,))), re.DOTALL)


def _first_fit(parts: list[str], wild: str, lazy: str, ends: tuple[str, ...]) -> list[str]:
    """
    Return *parts* such that each *wild* one that another follows takes the first fit, for good.

    What stands between two of them has one length, so a later fit is never a better one; trying all of them
    would take for ever with some patterns.
    """
    out: list[str] = []
    at = 0
    while at < len(parts):
        end = next((n for n in range(at + 1, len(parts)) if parts[n] in ends), len(parts))
        if parts[at] == wild and end < len(parts) and parts[end] == wild:
            out.append(f"{lazy}{''.join(parts[at + 1 : end])})")
            at = end
        else:
            out.append(parts[at])
            at += 1
    return out


def _translated(token: re.Match[str]) -> str:
    if token["folders"]:
        return _FOLDERS if token[0].endswith("/") else ".*"
    if token["inside"] is not None:
        negated = "^" if token["negated"] else ""
        return f"(?!/)[{negated}{_IN_BRACKETS.sub(_translated_inside, token['inside'])}]"
    if token["escaped"]:
        return re.escape(token["escaped"])
    return {"*": _STAR, "?": "[^/]"}.get(token[0][0]) or re.escape(token[0])


def _translated_inside(token: re.Match[str]) -> str:
    if token["named"]:
        return _CLASSES.get(token["named"], "")
    return re.escape(token["escaped"] or token[0])


def _escaped(path: str) -> str:
    """Write *path* so that it matches itself; blanks end a pattern, so they become a class."""
    escaped = re.sub(r"([\\*?\[\]])", r"\\\1", path).replace(" ", "[[:space:]]")
    # At the start of a line these three would not be part of the path.
    return f"/{escaped}" if escaped.startswith(("!", "#", '"')) else escaped
