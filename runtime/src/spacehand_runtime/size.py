"""Sizes as people write them."""

from __future__ import annotations

import re

_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30, "b": 1}


def byte_size(size: int | str) -> int:
    """
    Return the bytes that *size* means: ``200MB`` is 200,000,000, ``1GiB`` is 1,073,741,824.

    Raises:
        ValueError: it means none.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(size).lower())
    if not found or found[2] not in _UNITS:
        msg = f"`{size}` is no size: write it as `200MB` or `1GiB`"
        raise ValueError(msg)
    return int(float(found[1]) * _UNITS[found[2]])
