"""
The copies that Gradio makes of files it serves, so that they can be deleted with what they are copies of.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from gradio.processing_utils import hash_file
from gradio.utils import get_upload_folder


def delete_copies(files: Iterable[Path]) -> None:
    """
    Delete what Gradio's cache holds with the content of *files*: uploads, and what the viewer was given.
    """
    cache = Path(get_upload_folder())
    for file in files:
        if file.is_file():
            shutil.rmtree(cache / hash_file(file), ignore_errors=True)
