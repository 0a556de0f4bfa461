"""What the Space's variables say."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import StrokeError


@dataclass(frozen=True)
class Settings:
    """
    *keep_minutes*: how long images and results of a visitor are kept; *timeout*: of one run, in seconds.
    """

    dataset: str = "synthetic"
    engine: str | None = None  # None: voxel if it has a model, else threshold
    keep_minutes: float = 60.0
    timeout: float = 1800.0
    workers: int = 1
    folder: Path = Path(tempfile.gettempdir()) / "stroke-demo"

    @property
    def copies(self) -> Path:
        """Where the page's server puts what browsers fetch."""
        return self.folder / "copies"

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """
        Return the settings in *environment*; what is not said is as above.

        Raises:
            StrokeError: a number is none.
        """
        return cls(
            dataset=environment.get("STROKE_DATASET") or cls.dataset,
            engine=environment.get("STROKE_ENGINE") or None,
            keep_minutes=_positive(environment, "KEEP_MINUTES", cls.keep_minutes),
            timeout=_positive(environment, "TIMEOUT_SECONDS", cls.timeout),
            workers=int(_positive(environment, "WORKERS", cls.workers)),
            folder=Path(environment.get("STROKE_FOLDER") or cls.folder),
        )


def _positive(environment: Mapping[str, str], name: str, otherwise: float) -> float:
    text = environment.get(name, "").strip()
    if not text:
        return otherwise
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise StrokeError(f"The variable `{name}` is `{text}`", hint="Give a number above 0")
    return number
