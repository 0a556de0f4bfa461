"""Where spacehand keeps its own things on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """
    Return the data folder: ``SPACEHAND_HOME``, else the user's data folder of this platform.

    It holds the local Hub's data, ``history.sqlite`` and ``digests.sqlite``; it need not exist yet.
    """
    chosen = os.environ.get("SPACEHAND_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("spacehand", appauthor=False))
