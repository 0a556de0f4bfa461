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
        data = yaml.load(text, _Loader)  # noqa: S506 - one of the safe loaders
    except yaml.YAMLError:
        return None
    # Dates and the like become text, as in any JSON answer.
    return json.loads(json.dumps(data, default=str)) if isinstance(data, dict) else None


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
