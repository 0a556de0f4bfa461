"""What values of the header may be; a rule yields what follows the field's name in the complaint."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

Rule = Callable[[object], Iterator[str]]

_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,63}\Z", re.IGNORECASE)
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?\Z")
_PIPELINE = re.compile(r"[a-z0-9][a-z0-9-]*\Z")


def text(value: object) -> Iterator[str]:
    """One text."""
    if not isinstance(value, str):
        yield "must be a string"


def truth(value: object) -> Iterator[str]:
    """``true`` or ``false``."""
    if not isinstance(value, bool):
        yield "must be a boolean"


def list_of_texts(value: object) -> Iterator[str]:
    """A list of texts."""
    if not isinstance(value, list):
        yield "must be an array"
        return
    yield from _each(value, lambda each: isinstance(each, str), "must be a string")


def each_text(value: object) -> Iterator[str]:
    """One text, or a list of them; YAML reads the language `no` as false."""
    if isinstance(value, list):
        yield from list_of_texts(value)
    else:
        yield from text(value)


def licence_names(value: object) -> Iterator[str]:
    """One licence, or a list; any plausible name, as the Hub's own list grows."""
    yield from _texts_like(value, _LICENCE, "must be a license's name such as apache-2.0, or other")


def repo_ids(value: object) -> Iterator[str]:
    """One repository's id, or a list; old names have no owner."""
    yield from _texts_like(value, _REPO, "must be a repository's id: owner/name")


def pipeline(value: object) -> Iterator[str]:
    """A task such as ``automatic-speech-recognition``."""
    yield from matching(_PIPELINE, "must be a task such as text-generation")(value)


def one_of(allowed: Collection[str]) -> Rule:
    """Return the rule that a value is one of *allowed*."""

    def rule(value: object) -> Iterator[str]:
        if value not in allowed:
            yield f"must be one of [{', '.join(allowed)}]"

    return rule


def matching(pattern: re.Pattern[str], otherwise: str) -> Rule:
    """Return the rule that a value is a text like *pattern*."""

    def rule(value: object) -> Iterator[str]:
        if not (isinstance(value, str) and pattern.match(value)):
            yield otherwise

    return rule


def whole_number(low: int, high: int) -> Rule:
    """Return the rule that a value is a number from *low* to *high*."""

    def rule(value: object) -> Iterator[str]:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            yield f"must be a number between {low} and {high}"

    return rule


def _texts_like(value: object, pattern: re.Pattern[str], otherwise: str) -> Iterator[str]:
    rule = matching(pattern, otherwise)
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from (f'[{index}]" {message}' for message in rule(each))
    else:
        yield from rule(value)


def _each(values: list[object], fits: Callable[[object], bool], otherwise: str) -> Iterator[str]:
    for index, each in enumerate(values):
        if not fits(each):
            yield f'[{index}]" {otherwise}'
