"""One examination, as files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Case:
    """The files of one examination; *reference* is what experts, or a generator, drew."""

    id: str
    dwi: Path
    adc: Path
    flair: Path | None = None
    reference: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)  # the sidecar of the DWI

    @property
    def is_synthetic(self) -> bool:
        """Whether it is nobody's."""
        return self.facts.get("Synthetic") is True

    def inputs(self) -> dict[str, Path]:
        """Return the images by the names DeepISLES has for them."""
        named = {"dwi": self.dwi, "adc": self.adc, "flair": self.flair}
        return {name: path for name, path in named.items() if path is not None}


class Dataset(Protocol):
    """Cases that are listed without reading them, and opened one by one."""

    @property
    def name(self) -> str:
        """What people read."""

    def ids(self) -> list[str]:
        """Return the ids of all cases, in order; moves no image."""

    def case(self, case_id: str) -> Case:
        """
        Return the case *case_id*, made or fetched now if need be; no other one is.

        Raises:
            DatasetError: there is none of this id.
        """


def sha256(path: Path) -> str:
    """Return the SHA-256 of the file *path*."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
