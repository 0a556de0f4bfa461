"""Small Space folders to describe and build."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

README = """\
---
# why this colour: the talk's slides
title: Doors  # shown in the gallery
emoji: 🚪
sdk: gradio
sdk_version: "6.31.0"
python_version: "3.11"
app_file: app.py
x-own: kept
---

# Doors
"""


@pytest.fixture
def space(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a Space folder: a path with its text for each file, None for no file."""

    def write(files: dict[str, str | None] | None = None, toml: str | None = None) -> Path:
        folder = tmp_path / "app"
        folder.mkdir(exist_ok=True)
        everything = {"README.md": README, "app.py": "print('hi')\n", "spacehand.toml": toml, **(files or {})}
        for path, text in everything.items():
            if text is not None:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text, encoding="utf-8")
        return folder

    return write
