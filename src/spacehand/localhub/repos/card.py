"""The YAML header of a README: what the Hub shows of a repository."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml

_HEADER = re.compile(r"\A\ufeff?\s*---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LONGEST = 1024 * 1024  # characters
_DEEPEST = 50  # lists and mappings in one another
_MOST = 100_000  # values, with all that aliases stand for


def read_yaml(text: str, loader: Any = _Loader) -> Any:
    """
    Return what the YAML *text* holds, read by *loader*, a safe one.

    Some bytes of aliases may stand for more than any memory, and brackets in brackets end the process:
    *text* is measured before it is loaded.

    Raises:
        yaml.YAMLError: no YAML, or more of it than a header may hold.
    """
    _require_modest(text)
    try:
        return yaml.load(text, loader)  # noqa: S506 - the caller names one of the safe loaders
    except (ValueError, TypeError, AttributeError, ArithmeticError, LookupError) as error:
        # `!!int x`, the 99th of a month: the loaders themselves stumble over these.
        raise yaml.YAMLError(f"a value is not what it is said to be: {error}") from error


def header(readme: str) -> str | None:
    """Return the YAML between the two ``---`` lines, or None when there is no header."""
    match = _HEADER.match(readme)
    return match[1] if match else None


@lru_cache(maxsize=512)
def card_data(readme: str) -> Mapping[str, Any] | None:
    """Return the header as JSON would hold it, or None when there is none, or it is no mapping."""
    text = header(readme)
    if text is None:
        return None
    try:
        data = read_yaml(text)
    except yaml.YAMLError:
        return None
    return _as_json(data) if isinstance(data, dict) else None


def tags(card: Mapping[str, Any]) -> list[str]:
    """Return the tags that the Hub makes of a header: ``license:mit``, ``dataset:ada/clips``, …"""
    found = texts(card.get("tags"))
    for key, prefix in (("license", "license:"), ("datasets", "dataset:"), ("base_model", "base_model:")):
        found += [f"{prefix}{value}" for value in texts(card.get(key))]
    for key in ("language", "library_name", "pipeline_tag"):
        found += texts(card.get(key))
    return list(dict.fromkeys(found))


def texts(value: object) -> list[str]:
    """Return the texts in *value*, which may be one text or a list."""
    values = value if isinstance(value, list) else [value]
    return [
        str(each) for each in values if isinstance(each, str | int | float) and not isinstance(each, bool)
    ]


def _as_json(data: dict[Any, Any]) -> Mapping[str, Any]:
    """Return *data* as any JSON answer can hold it: dates are text, what is no number is null."""
    text = json.dumps(data, default=str, skipkeys=True, ensure_ascii=False)
    card: dict[str, Any] = json.loads(text.encode("utf-8", "replace"), parse_constant=lambda _name: None)
    return card


def _require_modest(text: str) -> None:
    if len(text) > _LONGEST:
        raise _immodest("is longer than 1 MiB")
    sizes: dict[str | None, int] = {}  # values below each anchor
    opened: list[tuple[str | None, int]] = []  # anchor, and how many values there were before
    count = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.AliasEvent):
            count += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, count))
            # One that stands within itself has no end.
            sizes[event.anchor] = _MOST
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            sizes[anchor] = count - before
        if len(opened) > _DEEPEST:
            raise _immodest(f"is more than {_DEEPEST} levels deep")
        if count > _MOST:
            raise _immodest(f"holds more than {_MOST} values")


def _immodest(what: str) -> yaml.YAMLError:
    return yaml.YAMLError(f"the header {what}")
