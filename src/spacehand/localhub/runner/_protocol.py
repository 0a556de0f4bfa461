"""What the runner needs to know of a Space that is not in its repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a Space's owner set for it, outside its repository."""

    hardware: str = "cpu-basic"
    sleep_seconds: int | None = None  # None: the Hub's default; -1: never
    replicas: int = 1  # equal apps that share the requests
    may_have_replicas: bool = False  # the hardware may have several
    paused: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    volumes: Sequence[Mapping[str, Any]] = ()
