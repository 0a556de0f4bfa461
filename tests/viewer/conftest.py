"""An app with viewers from the installed wheel, images for it, and a browser that really draws them."""

from __future__ import annotations

import functools
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import needs
from tests.environments import environment_with

VIEWER = Path(__file__).parents[2] / "viewer"
OLDEST = re.search(r'"gradio>=([\d.]+)', (VIEWER / "pyproject.toml").read_text()).group(1) + ".0"  # type: ignore[union-attr]
NEWEST = "6.31.0"
SHAPE = (48, 56, 40)
# Without a choice of its own Chromium warns of a deprecated fallback; SwiftShader draws on the processor.
DRAWING = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


@dataclass
class App:
    """A running app."""

    url: str
    process: subprocess.Popen[str]


@contextmanager
def running(
    gradio: str, cache: Path, *arguments: str, environment: dict[str, str] | None = None
) -> Iterator[App]:
    """Run app.py with that Gradio and the installed wheel; its log is in *cache*."""
    python = _environment(gradio)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"GRADIO_TEMP_DIR": str(cache), "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONUNBUFFERED": "1"}
    cache.mkdir(exist_ok=True)
    with (cache / "app.log").open("w") as log:
        process = subprocess.Popen(
            [python, Path(__file__).with_name("app.py"), str(port), *arguments],
            stdout=log,
            stderr=log,
            text=True,
            cwd=cache,
            env=os.environ | settings | (environment or {}),
        )
    try:
        _wait_for(process, cache / "app.log")
        yield App(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(30)


@functools.cache  # the wheel is built and installed once a run
def _environment(gradio: str) -> Path:
    return environment_with(f"gradio=={gradio}", str(VIEWER))


def _wait_for(process: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + 90
    while "Running on local URL" not in log.read_text():
        alive = process.poll() is None and time.monotonic() < deadline
        assert alive, log.read_text()[-3000:]
        time.sleep(0.1)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with the newest Gradio."""
    with running(NEWEST, tmp_path_factory.mktemp("gradio")) as made:
        yield made


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a head, its lesion, the head turned and mirrored, a mesh, and a file that is broken."""
    import nibabel

    folder = tmp_path_factory.mktemp("images")
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, length) for length in SHAPE), indexing="ij")
    inside = x**2 + y**2 + z**2 < 0.8
    head = np.where(inside, 600 + 200 * x + 90 * y + 40 * z, 0).astype("int16")
    lesion = ((x - 0.4) ** 2 + (y - 0.2) ** 2 + z**2 < 0.06).astype("uint8")
    straight = np.diag([3.0, 3.0, 3.0, 1.0])
    straight[:3, 3] = [-72, -84, -60]
    turned = straight.copy()
    angle = np.radians(20)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    turned[:3, :3] = rotation @ np.diag([-3.0, 3.0, 3.0])  # x runs to the left
    turned[:3, 3] = -turned[:3, :3] @ (np.array(SHAPE) / 2)
    for name, data, affine in (
        ("head", head, straight),
        ("lesion", lesion, straight),
        ("turned", head, turned),
    ):
        nibabel.save(nibabel.Nifti1Image(data, affine), folder / f"{name}.nii.gz")
    (folder / "broken.nii.gz").write_bytes(b"this is no image" * 40)
    (folder / "pyramid.obj").write_text(_PYRAMID)
    return folder


_PYRAMID = """\
v -40 -40 -30
v 40 -40 -30
v 40 40 -30
v -40 40 -30
v 0 0 50
f 1 2 5
f 2 3 5
f 3 4 5
f 4 1 5
f 1 3 2
f 1 4 3
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    path = needs.chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=DRAWING)
        yield browser
        browser.close()


# Counts the graphics contexts that are alive, for tests of whether they are given back.
_COUNT_CONTEXTS = """
const get = HTMLCanvasElement.prototype.getContext;
window.contexts = new Set();
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  const context = get.call(this, kind, ...rest);
  if (context && kind === "webgl2") window.contexts.add(context);
  return context;
};
window.alive = () => [...window.contexts].filter((context) => !context.isContextLost()).length;
"""


# Gradio's own page asked for these until some release after the oldest that we work with.
_OLD_GRADIO = re.compile(r"https://(fonts\.g[a-z]+\.com|cdnjs\.cloudflare\.com/ajax/libs/iframe-resizer)/")


class Page:
    """One visitor's page of the app, in the visitor's words."""

    def __init__(self, page: Any, frame: Any = None) -> None:
        self.page = page
        self.frame = frame or page
        self.asked: list[str] = []  # addresses of all requests
        page.on("request", lambda request: self.asked.append(request.url))

    def open(self, url: str) -> None:
        """Open the app and wait until its first viewers are ready."""
        self.page.goto(url)
        self.wait("first")
        self.wait("second")

    def wait(self, viewer: str, state: str = "ready", shown: int | None = None) -> None:
        """Wait until *viewer* is in *state*, with as many things *shown* as that."""
        count = "" if shown is None else f'[data-shown="{shown}"]'
        self.frame.wait_for_selector(f'#{viewer} .niivue-viewer[data-state="{state}"]{count}')

    def show(
        self, viewer: str, *volumes: dict[str, Any], meshes: Sequence[dict[str, Any]] = (), **more: Any
    ) -> None:
        """Have the app show this on *viewer*."""
        box = self.frame.get_by_label(f"Show on {viewer}")
        box.fill(json.dumps({"volumes": volumes, "meshes": meshes, **more}))
        box.press("Enter")

    def press(self, button: str) -> None:
        self.frame.get_by_role("button", name=button, exact=True).click()

    def pixels(self, viewer: str) -> np.ndarray[Any, Any]:
        """Return what is drawn on *viewer*, height x width x RGB."""
        import io

        from PIL import Image

        picture = self.frame.locator(f"#{viewer} .niivue-stage").screenshot()
        return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)

    def volumes_asked(self) -> list[str]:
        """Return the addresses of the volumes that were fetched so far."""
        return [url for url in self.asked if url.endswith((".nii.gz", ".nii")) and "/file=" in url]

    def text(self, label: str) -> str:
        """Return what the app's box of this *label* holds."""
        return str(self.frame.get_by_label(label, exact=True).input_value())

    def told(self, label: str, new: Callable[[str], object] = bool) -> Any:
        """Return the JSON in the box of this *label*, once it is what is waited for."""
        deadline = time.monotonic() + 40
        while not new(text := self.text(label)):
            assert time.monotonic() < deadline, f"{label}: {text}"
            self.page.wait_for_timeout(50)
        return json.loads(text)


@contextmanager
def visiting(context: Any) -> Iterator[Page]:
    """A page of *context*; what it complains about, and any request to another host, fails the test."""
    context.add_init_script(_COUNT_CONTEXTS)
    context.set_default_timeout(40_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if "WebGL contexts" in said.text else None)
    made = Page(page)
    yield made
    assert complaints == []
    made.asked = [url for url in made.asked if not _OLD_GRADIO.match(url)]
    assert [
        url for url in made.asked if not re.match(r"https?://(127\.0\.0\.1|localhost):|blob:|data:", url)
    ] == []


@pytest.fixture
def page(chromium: Any) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    with visiting(context) as made:
        yield made
    context.close()
