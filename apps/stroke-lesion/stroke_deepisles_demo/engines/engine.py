"""What all engines have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from ..data import Case
    from ..scan import Scan


@dataclass(frozen=True)
class Found:
    """
    What an engine found.

    *contributed* names the models, or the rule, that this very result came from; *versions* what ran.
    *output_sha256* is of the file that another program left, before anything was made of it.
    """

    mask: np.ndarray
    contributed: tuple[str, ...]
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    weights_sha256: str | None = None
    model_id: str | None = None
    revision: str | None = None
    output_sha256: str | None = None


class Engine(Protocol):
    """Finds lesions in a scan."""

    name: str  # what is written on command lines
    about: str  # one line for people

    def refusal(self) -> str | None:
        """Return why it cannot run here and what to do about it, None if it can."""

    def find(self, case: Case, scan: Scan, folder: Path) -> Found:
        """
        Return the lesions of *case*; *folder* is fresh, and this engine's alone.

        Raises:
            EngineError: it failed, took too long, or left nothing.
        """
