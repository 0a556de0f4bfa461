"""
What the Hub's hardware is and costs, as `GET /api/spaces/hardware` tells it.

The prices are those of huggingface.co on `PRICES_FROM`. On this Hub every flavour runs on this machine and
costs nothing; the prices are shown so that a plan made here is right there.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

PRICES_FROM = "2026-11-01"


@dataclass(frozen=True, slots=True)
class Accelerator:
    """*quantity* cards of one model; *vram* is gigabytes on all of them together."""

    model: str
    quantity: int
    vram: int
    manufacturer: str = "Nvidia"


@dataclass(frozen=True, slots=True)
class Flavor:
    """One row of the table; *ram* and *disk* in gigabytes, *hourly* in dollars."""

    name: str
    pretty_name: str
    cpu: int
    ram: int
    disk: int
    hourly: str
    accelerator: Accelerator | None = None

    @property
    def micro_usd_per_minute(self) -> int:
        """Millionths of a dollar, rounded: the unit that is billed."""
        return round(Fraction(self.hourly) * 1_000_000 / 60)


_RTX = "RTX PRO 6000"
FLAVORS = (
    Flavor("cpu-basic", "CPU Basic", 2, 16, 50, "0"),
    Flavor("cpu-upgrade", "CPU Upgrade", 8, 32, 50, "0.03"),
    Flavor("zero-a10g", "ZeroGPU", 8, 64, 50, "0", Accelerator(_RTX, 1, 48)),
    Flavor("t4-small", "Nvidia T4 - small", 4, 15, 50, "0.40", Accelerator("T4", 1, 16)),
    Flavor("t4-medium", "Nvidia T4 - medium", 8, 30, 100, "0.60", Accelerator("T4", 1, 16)),
    Flavor("l4x1", "1x Nvidia L4", 8, 30, 400, "0.80", Accelerator("L4", 1, 24)),
    Flavor("l4x4", "4x Nvidia L4", 48, 186, 3200, "3.80", Accelerator("L4", 4, 96)),
    Flavor("l40sx1", "1x Nvidia L40S", 8, 62, 380, "1.80", Accelerator("L40S", 1, 48)),
    Flavor("l40sx4", "4x Nvidia L40S", 48, 382, 3200, "8.30", Accelerator("L40S", 4, 192)),
    Flavor("l40sx8", "8x Nvidia L40S", 192, 1534, 6500, "23.50", Accelerator("L40S", 8, 384)),
    Flavor("a10g-small", "Nvidia A10G - small", 4, 15, 110, "1.00", Accelerator("A10G", 1, 24)),
    Flavor("a10g-large", "Nvidia A10G - large", 12, 46, 200, "1.50", Accelerator("A10G", 1, 24)),
    Flavor("a10g-largex2", "2x Nvidia A10G - large", 24, 92, 1000, "3.00", Accelerator("A10G", 2, 48)),
    Flavor("a10g-largex4", "4x Nvidia A10G - large", 48, 184, 2000, "5.00", Accelerator("A10G", 4, 96)),
    Flavor("a100-large", "Nvidia A100 - large", 12, 142, 1000, "2.50", Accelerator("A100", 1, 80)),
    Flavor("a100x4", "4x Nvidia A100", 48, 568, 4000, "10.00", Accelerator("A100", 4, 320)),
    Flavor("a100x8", "8x Nvidia A100", 96, 1136, 8000, "20.00", Accelerator("A100", 8, 640)),
    Flavor("rtx-pro-6000", "1x Nvidia RTX PRO 6000", 23, 256, 475, "2.75", Accelerator(_RTX, 1, 96)),
    Flavor("rtx-pro-6000x2", "2x Nvidia RTX PRO 6000", 46, 512, 950, "5.50", Accelerator(_RTX, 2, 192)),
    Flavor(
        "rtx-pro-6000x4",
        "4x Nvidia RTX PRO 6000",
        92,
        1024,
        1900,
        "11.00",
        Accelerator(_RTX, 4, 384),
    ),
    Flavor(
        "rtx-pro-6000x8",
        "8x Nvidia RTX PRO 6000",
        184,
        2048,
        3800,
        "22.00",
        Accelerator(_RTX, 8, 768),
    ),
)


def find(name: str) -> Flavor | None:
    """Return the flavour *name*, or None: the Hub adds some faster than this table learns of them."""
    return next((flavor for flavor in FLAVORS if flavor.name == name), None)


def is_paid(name: str) -> bool:
    """Whether the flavour *name* costs something on the Hub; what this table does not know does."""
    flavor = find(name)
    return flavor is None or flavor.micro_usd_per_minute > 0


def wire(flavor: Flavor) -> dict[str, Any]:
    """Return one row as the API spells it."""
    card = flavor.accelerator
    micro = flavor.micro_usd_per_minute
    return {
        "name": flavor.name,
        "prettyName": flavor.pretty_name,
        "cpu": f"{flavor.cpu} vCPU",
        "ram": f"{flavor.ram} GB",
        "ephemeralStorage": f"{flavor.disk} GB",
        "accelerator": None
        if card is None
        else {
            "type": "gpu",
            "model": card.model,
            "quantity": str(card.quantity),
            "vram": f"{card.vram} GB",
            "manufacturer": card.manufacturer,
        },
        "unitCostMicroUSD": micro,
        "unitCostUSD": micro / 1_000_000,
        "unitLabel": "minute",
    }
