"""What people see of a viewer, in a real browser that draws."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.viewer.conftest import NEWEST, OLDEST, App, Page, running

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module", params=[OLDEST, NEWEST])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running(request.param, tmp_path_factory.mktemp("gradio")) as made:
        yield made


def head(images: Path, **looks: Any) -> dict[str, Any]:
    return {"path": str(images / "head.nii.gz"), "name": "Head", **looks}


def lesion(images: Path, **looks: Any) -> dict[str, Any]:
    return {"path": str(images / "lesion.nii.gz"), "name": "Lesion", **looks}


def bright(pixels: np.ndarray[Any, Any]) -> float:
    """Return the share of pixels that are not black."""
    return float((pixels.max(axis=2) > 60).mean())


def red(pixels: np.ndarray[Any, Any]) -> int:
    """Return how many pixels are red."""
    return int(((pixels[..., 0] > 90) & (pixels[..., 0] > 1.5 * pixels[..., 1:].max(axis=2))).sum())


def test_shows_a_volume_and_its_overlay(app: App, page: Page, images: Path):
    """
    A volume and an overlay are drawn, and the viewer says in words what they are.
    """
    page.open(app.url)
    page.show("first", head(images), lesion(images))
    page.wait("first", shown=2)

    pixels = page.pixels("first")
    assert bright(pixels) > 0.15
    assert red(pixels) > 200
    label = page.page.locator("#first canvas").get_attribute("aria-label")
    assert label.startswith(
        "Multiplanar view of Head (gray, opacity 100 %), over it Lesion (red, opacity 50 %)"
    )
