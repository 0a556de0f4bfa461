"""
The copies that Gradio makes of files it serves, so that they can be deleted with what they are copies of.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from gradio.processing_utils import hash_file
from gradio.utils import get_upload_folder


def keep_copies_in(folder: Path) -> None:
    """Have Gradio put its copies into *folder*, unless somebody chose another; for pages made later."""
    os.environ.setdefault("GRADIO_TEMP_DIR", str(folder))


def delete_older_copies(folder: Path, oldest: float) -> int:
    """
    Delete the copies in *folder* that were made before *oldest*, and return how many.

    Gradio knows only those of its own life, and not what an upload leaves beside them until it is moved.
    """
    # A copy has its original's time of change; when it was made is in the other one.
    old = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_ctime < oldest]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def delete_copies(files: Iterable[Path]) -> None:
    """
    Delete what Gradio's cache holds with the content of *files*: uploads, and what the viewer was given.
    """
    cache = Path(get_upload_folder())
    for file in files:
        if file.is_file():
            shutil.rmtree(cache / hash_file(file), ignore_errors=True)
