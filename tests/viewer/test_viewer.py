"""What people see of a viewer, in a real browser that draws."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.viewer.conftest import NEWEST, OLDEST, App, Page, running

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module", params=[OLDEST, NEWEST])
def each_app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with the oldest Gradio that the package claims to work with, and with the newest."""
    with running(request.param, tmp_path_factory.mktemp("gradio")) as made:
        yield made


def head(images: Path, **looks: Any) -> dict[str, Any]:
    return {"path": str(images / "head.nii.gz"), "name": "Head", **looks}


def lesion(images: Path, **looks: Any) -> dict[str, Any]:
    return {"path": str(images / "lesion.nii.gz"), "name": "Lesion", **looks}


def bright(pixels: np.ndarray[Any, Any]) -> float:
    """Return the share of pixels that are light and grey, without the corners and the place of messages."""
    return float((pixels[40:-10, 10:-10].min(axis=2) > 60).mean())


def red(pixels: np.ndarray[Any, Any]) -> int:
    """Return how many pixels are red."""
    return int(((pixels[..., 0] > 90) & (pixels[..., 0] > 1.5 * pixels[..., 1:].max(axis=2))).sum())


def test_shows_a_volume_and_its_overlay(each_app: App, page: Page, images: Path):
    """
    A volume and an overlay are drawn, and the viewer says in words what they are.
    """
    page.open(each_app.url)
    page.show("first", head(images), lesion(images))
    page.wait("first", shown=2)

    pixels = page.pixels("first")
    assert bright(pixels) > 0.15
    assert red(pixels) > 200
    label = page.page.locator("#first canvas").get_attribute("aria-label")
    assert label.startswith(
        "Multiplanar view of Head (gray, opacity 100 %), over it Lesion (red, opacity 50 %)"
    )


def test_a_new_value_leaves_the_other_viewer_alone(each_app: App, page: Page, images: Path):
    """
    What is shown on one viewer changes no pixel of another, and a value takes the place of the one before.
    """
    page.open(each_app.url)
    page.show("first", head(images))
    page.wait("first", shown=1)
    before = page.pixels("first")
    page.show("second", head(images), lesion(images))
    page.wait("second", shown=2)
    overlaid = red(page.pixels("second"))
    page.show("second", head(images))
    page.wait("second", shown=1)

    assert overlaid > 200
    assert red(page.pixels("second")) == 0
    assert np.array_equal(before, page.pixels("first"))


def test_new_looks_move_no_bytes_of_a_volume(app: App, page: Page, images: Path):
    """
    Another colormap, opacity, range, label or view is shown without a volume being asked for again.
    """
    page.open(app.url)
    page.show("first", head(images), lesion(images, opacity=1))
    page.wait("first", shown=2)
    asked = page.volumes_asked()
    coloured = red(page.pixels("first"))
    dark = head(images, cal_min=0, cal_max=5000)
    page.show("first", dark, lesion(images, colormap="blue"), view="axial")
    page.page.wait_for_selector("#first canvas[aria-label^='Axial view']")
    faint = page.pixels("first")
    named = lesion(images, labels={"1": ["core", "#ff0000"]}, opacity=1)
    page.show("first", head(images, opacity=0.5), named)
    page.page.wait_for_selector("#first canvas[aria-label*='(core,']")

    assert len(asked) == 2
    assert page.volumes_asked() == asked
    assert coloured > 200
    assert red(faint) == 0
    assert bright(faint) < 0.05
    assert red(page.pixels("first")) > 200


def test_an_overlay_that_is_added_moves_only_its_own_bytes(app: App, page: Page, images: Path):
    """
    Beside a volume that is on show already, only the new one is fetched.
    """
    page.open(app.url)
    page.show("first", head(images))
    page.wait("first", shown=1)
    page.show("first", head(images), lesion(images))
    page.wait("first", shown=2)

    assert [url.rsplit("/", 1)[-1] for url in page.volumes_asked()] == ["head.nii.gz", "lesion.nii.gz"]


def test_a_mesh_is_drawn_beside_a_volume(app: App, page: Page, images: Path):
    """
    A surface is drawn in its colour in the rendering.
    """
    page.open(app.url)
    mesh = {"path": str(images / "pyramid.obj"), "name": "Pyramid", "color": "#FF2020"}
    page.show("first", meshes=[mesh], view="render")
    page.wait("first", shown=1)

    assert red(page.pixels("first")) > 500
    assert "surface Pyramid" in page.page.locator("#first canvas").get_attribute("aria-label")


def test_fits_its_place(app: App, page: Page, images: Path):
    """
    In a tab that was hidden, and after the window has changed, there is a pixel for each pixel of the screen.
    """
    page.open(app.url)
    page.show("third", head(images))
    page.page.get_by_role("tab", name="Two").click()
    page.wait("third", shown=1)
    page.page.set_viewport_size({"width": 800, "height": 900})
    sharp = "() => (c => c.width > 0 && c.width === c.clientWidth)(document.querySelector('#third canvas'))"
    page.page.wait_for_function(sharp)
    page.page.get_by_role("tab", name="One").click()
    page.page.wait_for_function(sharp.replace("third", "first"))
    page.page.get_by_role("tab", name="Two").click()

    assert bright(page.pixels("third")) > 0.15


@pytest.mark.timeout(600)  # each round compiles shaders on the processor
def test_gives_its_graphics_context_back(app: App, page: Page, images: Path):
    """
    Hidden and shown until a page's sixteen contexts would be used up, a viewer shows what it showed, and as
    many are alive as before.
    """
    page.open(app.url)
    page.show("first", head(images), lesion(images), view="axial")
    page.wait("first", shown=2)
    before = page.page.evaluate("alive()")
    for _ in range(8):  # each takes two, one of them to ask whether there are any
        page.press("Hide")
        page.page.wait_for_selector("#first .niivue-viewer", state="detached")
        page.press("Show")
        page.wait("first", shown=2)

    assert page.page.evaluate("alive()") == before
    assert page.page.evaluate("contexts.size") > 16
    assert red(page.pixels("first")) > 200


def test_what_is_wrong_is_said_and_the_next_value_is_shown(each_app: App, page: Page, images: Path):
    """
    A damaged file, one that is gone, an unknown colormap: a message for people and an event for the app; what
    was there before goes; an empty value is no failure; and a good one is shown again.
    """
    message = page.page.locator("#first .niivue-message")
    page.open(each_app.url)
    page.show("first", head(images))
    page.wait("first", shown=1)
    broken = {"path": str(images / "broken.nii.gz"), "name": "Broken"}
    page.show("first", broken)
    page.wait("first", "failed")
    assert "Could not read Broken" in message.text_content()
    assert bright(page.pixels("first")) < 0.05
    page.page.route("**/lesion.nii.gz", lambda route: route.fulfill(status=404))
    page.show("first", lesion(images))
    page.page.get_by_text("Could not load Lesion: the server answered 404").wait_for()
    page.show("first", head(images, colormap="no-such-map"))
    page.page.get_by_text("NiiVue knows no colormap named no-such-map").wait_for()
    told = page.told("Failed", lambda said: "no-such-map" in said)
    page.show("first")
    page.wait("first")
    page.show("first", head(images))
    page.wait("first", shown=1)

    assert told["reason"] == "load"
    assert bright(page.pixels("first")) > 0.15


@pytest.mark.parametrize("name", ["head", "turned"])
def test_the_crosshair_tells_voxel_and_value(app: App, page: Page, images: Path, name: str):
    """
    A click is told in millimetres, in voxels as the file counts them, and with the value that the file has
    there: of a straight volume, and of one that is mirrored and turned.
    """
    import nibabel

    image = nibabel.load(images / f"{name}.nii.gz")
    page.open(app.url)
    page.show("first", {"path": str(images / f"{name}.nii.gz")}, view="axial")
    page.wait("first", shown=1)
    box = page.page.locator("#first canvas").bounding_box()
    for across, down in ((0.45, 0.4), (0.58, 0.55)):
        before = page.text("Location")
        page.page.mouse.click(box["x"] + box["width"] * across, box["y"] + box["height"] * down)
        told = page.told("Location", before.__ne__)
        expected = np.linalg.inv(image.affine) @ [*told["mm"], 1]

        assert np.abs(expected[:3] - told["voxel"]).max() <= 0.51
        assert image.get_fdata()[tuple(told["voxel"])] == pytest.approx(told["values"][0]["value"], abs=0.5)
        assert told["values"][0]["name"] == f"{name}.nii.gz"
        assert told["values"][0]["value"] > 0


@pytest.mark.parametrize("name", ["head", "turned"])
def test_the_app_puts_the_crosshair(app: App, page: Page, images: Path, name: str):
    """
    The crosshair is where the app wants it, also in a turned volume; people may move it, an overlay leaves it
    there, and another place moves it again.
    """
    background = {"path": str(images / f"{name}.nii.gz")}
    page.open(app.url)
    page.show("first", background, crosshair=[21, -9, 12])
    first = page.told("Location")
    canvas = page.page.locator("#first canvas")
    canvas.press("PageUp")
    moved = page.told("Location", lambda said: said and json.loads(said)["mm"] != first["mm"])
    page.show("first", background, lesion(images), crosshair=[21, -9, 12])
    page.wait("first", shown=2)
    canvas.press("ArrowRight")
    kept = page.told("Location", lambda said: len(json.loads(said)["values"]) == 2)
    page.show("first", background, crosshair=[-15, 6, 3])
    second = page.told("Location", lambda said: json.loads(said)["mm"][0] < 0)

    assert first["mm"] == pytest.approx([21, -9, 12], abs=1.6)  # half a voxel
    assert moved["mm"][2] > first["mm"][2]
    assert kept["mm"][2] == pytest.approx(moved["mm"][2], abs=0.01)
    assert second["mm"] == pytest.approx([-15, 6, 3], abs=1.6)


def test_the_newest_of_two_quick_values_is_shown(app: App, page: Page, images: Path):
    """
    A value that comes while the one before is still being fetched is the one that stays.
    """
    held: list[Any] = []
    page.open(app.url)
    page.page.route("**/head.nii.gz", lambda route: held.append(route))
    page.show("first", head(images))
    page.wait("first", "loading")
    page.show("first", lesion(images, opacity=1, colormap="red"))
    page.wait("first", shown=1)
    for route in held:
        with suppress(Exception):  # the browser gave the request up, as it should
            route.continue_()
    page.show("second", lesion(images))
    page.wait("second", shown=1)

    assert "Lesion" in page.page.locator("#first canvas").get_attribute("aria-label")
    assert red(page.pixels("first")) > 200


def test_works_without_a_mouse(app: App, page: Page, images: Path):
    """
    The viewer has a name, is reached by the keyboard, and arrow keys move the crosshair by one voxel each.
    """
    page.open(app.url)
    page.show("first", head(images))
    page.wait("first", shown=1)
    viewer = page.page.get_by_role("region", name="First")
    viewer.get_by_role("img").focus()
    page.page.keyboard.press("ArrowRight")
    one = page.told("Location")
    page.page.keyboard.press("PageUp")
    two = page.told("Location", lambda said: said and json.loads(said)["voxel"] != one["voxel"])
    viewer.get_by_role("combobox", name="View").select_option("sagittal")

    assert np.subtract(two["voxel"], one["voxel"]).tolist() == [0, 0, 1]
    assert viewer.get_by_role("img").get_attribute("aria-label").startswith("Sagittal view of Head")


def test_a_handler_gets_what_is_shown(each_app: App, page: Page, images: Path):
    """
    A viewer as input of a handler is a ViewerData whose paths are the server's own copies.
    """
    page.open(each_app.url)
    page.show("first", head(images, colormap="hot"), lesion(images))
    page.wait("first", shown=2)
    page.press("Look")
    (first, second) = page.told("Input")

    assert [first[0], first[2]] == ["Head", "hot"]
    assert Path(second[1]).read_bytes() == (images / "lesion.nii.gz").read_bytes()
    assert Path(second[1]) != images / "lesion.nii.gz"
