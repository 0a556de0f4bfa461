"""Viewers behind proxies and policies, in frames, on phones, and in browsers that lack what they need."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from tests import needs
from tests.viewer.conftest import DRAWING, NEWEST, App, Page, running, visiting

pytestmark = [pytest.mark.slow, pytest.mark.browser]

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self' data: blob:; font-src 'self' data:; "
    "worker-src 'self' blob:"
)


def show_a_head(page: Page, images: Path) -> None:
    page.show("first", {"path": str(images / "head.nii.gz"), "name": "Head"})
    page.wait("first", shown=1)


def test_in_a_frame_of_another_site(app: App, page: Page, images: Path, tmp_path: Path):
    """
    In a sandboxed frame of another site, as a Space's page has it, a volume is shown.
    """
    allowed = "allow-downloads allow-forms allow-popups allow-same-origin allow-scripts"
    frame = f"<iframe src='{app.url}' sandbox='{allowed}' style='width:1100px;height:850px'></iframe>"
    (tmp_path / "index.html").write_text(f"<!doctype html>{frame}")
    with serving(tmp_path) as port:
        page.page.goto(f"http://localhost:{port}/")
        page.frame = page.page.wait_for_selector("iframe").content_frame()
        page.wait("first")
        show_a_head(page, images)
        assert page.frame.url.startswith(app.url)
        assert page.pixels("first").max() > 100  # of 255: a head, and not only the dark ground


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """Serve the files in *folder*, and yield the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_under_a_content_security_policy(app: App, page: Page, images: Path):
    """
    Under the policy that the guide gives a volume is shown.
    """
    page.page.route(f"{app.url}/", lambda route: with_policy(route, POLICY))
    page.open(app.url)
    show_a_head(page, images)

    guide = Path(__file__).parents[2] / "docs/guides/niivue.md"
    assert POLICY in guide.read_text().replace("\n", " ")


def test_a_policy_without_eval_is_named(app: App, page: Page):
    """
    Without 'unsafe-eval' it is Gradio's HTML component that cannot start, and the browser's console says why.
    """
    said: list[str] = []
    page.page.on("console", lambda line: said.append(line.text))
    page.page.route(f"{app.url}/", lambda route: with_policy(route, POLICY.replace(" 'unsafe-eval'", "")))
    with page.page.expect_console_message(lambda line: "unsafe-eval" in line.text):
        page.page.goto(app.url)


def with_policy(route: Any, policy: str) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, headers=answer.headers | {"content-security-policy": policy})


def test_behind_a_path_prefix(page: Page, images: Path, tmp_path: Path):
    """
    Behind a proxy that takes a prefix off, an app that knows its prefix shows a volume.
    """
    with running(NEWEST, tmp_path / "gradio", "/apps/one") as app, stripping(app.url, "/apps/one") as outside:
        page.open(f"{outside}/")
        show_a_head(page, images)

        assert all("/apps/one/" in url for url in page.volumes_asked())


@contextmanager
def stripping(target: str, prefix: str) -> Iterator[str]:
    """Run a proxy to *target* that takes *prefix* off, and yield the address of the app behind it."""
    loop = asyncio.new_event_loop()

    async def forward(request: web.Request) -> web.StreamResponse:
        url = target + request.path_qs.removeprefix(prefix)
        async with (
            ClientSession(auto_decompress=False) as session,
            session.request(
                request.method, url, headers=request.headers, data=await request.read(), allow_redirects=False
            ) as inner,
        ):
            kept = {name: value for name, value in inner.headers.items() if name != "Transfer-Encoding"}
            answer = web.StreamResponse(status=inner.status, headers=kept)
            await answer.prepare(request)
            async for chunk in inner.content.iter_any():
                await answer.write(chunk)
            return answer

    async def begin() -> web.AppRunner:
        application = web.Application()
        application.router.add_route("*", prefix + "/{rest:.*}", forward)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{prefix}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_with_server_side_rendering(page: Page, images: Path, tmp_path: Path):
    """
    With server-side rendering a volume is shown as without it.
    """
    environment = {"GRADIO_SSR_MODE": "True", "GRADIO_NODE_PATH": node()}
    with running(NEWEST, tmp_path / "gradio", environment=environment) as app:
        assert "with SSR" in (tmp_path / "gradio" / "app.log").read_text()
        with urllib.request.urlopen(app.url) as answer:
            assert answer.headers["x-sveltekit-page"] == "true"  # Node's answer, not Python's
        page.open(app.url)
        show_a_head(page, images)


def node() -> str:
    """Return a Node that Gradio takes for server-side rendering, or skip."""
    found = shutil.which("node") or ""
    version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout if found else ""
    if int((re.match(r"v(\d+)", version) or [0, 0])[1]) < 20:
        pytest.skip("server-side rendering needs Node 20 or newer")
    return found


def test_on_a_phone(app: App, chromium: Any, images: Path):
    """
    On a narrow screen of high density nothing is wider than the screen, and the picture is as sharp as it.
    """
    context = chromium.new_context(
        viewport={"width": 375, "height": 720}, device_scale_factor=2, has_touch=True
    )
    with visiting(context) as page:
        page.open(app.url)
        show_a_head(page, images)
        canvas = page.page.locator("#first canvas")

        assert page.page.evaluate("document.documentElement.scrollWidth") <= 375
        assert canvas.evaluate("canvas => canvas.width === 2 * canvas.clientWidth")
        assert page.page.locator("#first select").is_visible()
    context.close()


def test_a_later_visit_fetches_no_volume(app: App, chromium: Any, images: Path, tmp_path: Path):
    """
    A browser that has a volume in its cache shows it without asking the server.
    """
    context = chromium.browser_type.launch_persistent_context(
        str(tmp_path), executable_path=needs.chromium(), args=DRAWING
    )
    from_cache: list[bool] = []
    for visit in range(2):
        with visiting(context) as page:
            network = context.new_cdp_session(page.page)
            network.send("Network.enable")
            network.on("Network.responseReceived", lambda event: note(event["response"], from_cache))
            page.open(app.url)
            show_a_head(page, images)
            assert len(from_cache) == visit + 1
    context.close()

    assert from_cache == [False, True]


def note(response: dict[str, Any], from_cache: list[bool]) -> None:
    if response["url"].endswith("head.nii.gz"):
        from_cache.append(response["fromDiskCache"])


def test_a_browser_without_webgl2_is_told(app: App, chromium: Any):
    """
    Where there is no WebGL2, people read what to do and the app gets an event.
    """
    plain = chromium.browser_type.launch(
        executable_path=needs.chromium(),
        args=["--no-sandbox", "--disable-gpu", "--disable-software-rasterizer"],
    )
    with visiting(plain.new_context()) as page:
        page.page.goto(app.url)
        page.wait("first", "failed")

        assert "Turn on hardware acceleration" in page.page.locator("#first .niivue-message").text_content()
        assert page.told("Failed")["reason"] == "webgl2-missing"
    plain.close()


def test_a_lost_graphics_context_is_told(app: App, page: Page, images: Path):
    """
    When the browser takes the graphics context back, people are told to reload, and the app gets an event.
    """
    page.open(app.url)
    show_a_head(page, images)
    lose = "canvas => canvas.getContext('webgl2').getExtension('WEBGL_lose_context').loseContext()"
    page.page.locator("#first canvas").evaluate(lose)
    page.wait("first", "failed")

    assert "Reload the page" in page.page.locator("#first .niivue-message").text_content()
    assert page.told("Failed")["reason"] == "context-lost"


def test_a_script_in_plain_html_does_not_run(app: App, page: Page):
    """
    Gradio runs no <script> of an HTML value: why this viewer is a component, and not a page in a text.
    """
    page.open(app.url)

    assert page.page.locator("#plain").text_content() == "plain"
    assert page.page.title() == "Viewers"
