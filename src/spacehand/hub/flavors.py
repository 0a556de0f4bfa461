"""Kinds of hardware, as `GET /api/spaces/hardware` tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spacehand.hub._protocol import Flavor

_PER_HOUR = {"second": 3600.0, "minute": 60.0, "hour": 1.0}


def parse_flavor(row: Mapping[str, Any]) -> Flavor:
    """Return the flavor that one row describes; prices become US dollars an hour, whatever they count in."""
    cost = row.get("unitCostUSD")
    if cost is None:
        cost = (row.get("unitCostMicroUSD") or 0) / 1e6
    per_hour = float(cost) * _PER_HOUR.get(row.get("unitLabel") or "hour", 1.0)
    return Flavor(
        name=row["name"],
        pretty_name=row.get("prettyName") or row["name"],
        cpu=str(row.get("cpu") or ""),
        memory=str(row.get("ram") or ""),
        accelerator=_accelerator(row.get("accelerator")),
        usd_per_hour=round(per_hour, 3),  # the Hub rounds its prices per minute
    )


def _accelerator(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return str(value) if value else None
    words = (f"{value.get('quantity', 1)}×", value.get("manufacturer"), value.get("model"), value.get("vram"))
    return " ".join(str(word) for word in words if word)
