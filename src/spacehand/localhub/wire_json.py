"""JSON that clients send."""

from __future__ import annotations

import json
import re
from typing import Any

_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(data: bytes | bytearray) -> Any:
    """
    Return the value that *data* is.

    Raises:
        ValueError: no JSON in UTF-8; too deep; or a text with half of a character, which nothing could keep.
    """
    try:
        value = json.loads(data.decode())  # as bytes, half of a character would be taken
        if _HALF.search(data):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("the JSON is too deep") from None
    return value
