"""A Hub whose Spaces do as a test says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.localhub.spaces.scripted import ScriptedHub, scripted_hub


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[ScriptedHub]:
    with scripted_hub(tmp_path / "data") as hub:
        yield hub
