"""The header of a template: filled in after it was parsed, so that no value can break the YAML."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from spacehand.errors import FrontMatterError
from spacehand.model.card import header
from spacehand.model.card.escape import clean

_MARK = re.compile(r"spacehandvalue([0-9]+)x")


def split(template: str, where: str) -> tuple[str, str]:
    """
    Return the header of *template* and the rest.

    Raises:
        FrontMatterError: the header has no end.
    """
    try:
        return header.split(template.lstrip("\n"))
    except FrontMatterError as error:
        raise FrontMatterError(
            "The header of the card template has no end",
            where=f"{where}:1",
            hint="Close it with a line of `---`",
        ) from error


def keys(fill: Callable[[Callable[[Any], str]], str], where: str) -> dict[str, Any]:
    """
    Return the keys of a header; *fill* fills in its template and writes each value as its argument says.

    Raises:
        FrontMatterError: the header is not valid YAML, whatever the values.
    """
    values: list[Any] = []

    def mark(value: Any) -> str:
        values.append(value)
        return f"spacehandvalue{len(values) - 1}x"

    parsed = header.parse(fill(mark), where=where)
    return {
        str(_with_values(key, values)): value
        for key, inner in parsed.items()
        if (value := _with_values(inner, values)) not in (None, "", [], {})
    }


def _with_values(node: Any, values: list[Any]) -> Any:
    if isinstance(node, dict):
        return {str(_with_values(key, values)): _with_values(inner, values) for key, inner in node.items()}
    if isinstance(node, list):
        return [value for inner in node if (value := _with_values(inner, values)) is not None]
    if not isinstance(node, str):
        return node
    if whole := _MARK.fullmatch(node):
        return _plain(values[int(whole[1])])
    return _MARK.sub(lambda match: clean(values[int(match[1])]), node)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value if isinstance(value, bool | int | float) else clean(value)
