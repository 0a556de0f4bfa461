"""The pages in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import needs
from tests.localhub.pages.conftest import fill
from tests.localhub.spaces.scripted import ScriptedHub, scripted_hub

from spacehand.ids import RepoId, RepoKind
from spacehand.localhub.repos.store import Repo
from spacehand.localhub.runner.address import FolderAddress
from spacehand.localhub.runner.logs import LogEntry
from spacehand.localhub.wire_time import now
from spacehand.stage import Stage

pytestmark = [pytest.mark.browser]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = needs.chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedHub]:
    folder = tmp_path_factory.mktemp("browser")
    with scripted_hub(folder / "data") as made:
        fill(made)
        site = folder / "site"
        (site / "sub").mkdir(parents=True)
        for index in (site / "index.html", site / "sub" / "index.html"):
            index.write_text("<!doctype html><title>App</title><h1 id=app>The app</h1>")
        for name in ("dictation", "closed", "floating"):
            serve(made, space(made, name), FolderAddress(site))
        yield made


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A fresh page; anything it complains about fails the test."""
    context = browser.new_context()
    context.set_default_timeout(15_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    yield page
    context.close()
    assert complaints == []


def space(hub: ScriptedHub, name: str) -> Repo:
    return hub.hub.repos.get(RepoKind.SPACE, RepoId("ada", name))


def serve(hub: ScriptedHub, repo: Repo, *addresses: FolderAddress) -> None:
    """Call the gateway in the thread where it lives."""

    async def in_the_loop() -> None:
        hub.hub.gateway.serve(repo, *addresses)

    asyncio.run_coroutine_threadsafe(in_the_loop(), hub.loop).result(10)


def sign_in(hub: ScriptedHub, page: Any, path: str) -> None:
    page.goto(hub.url + hub.hub.accounts.one_time_link(path))


def test_the_app_appears_when_it_runs(hub: ScriptedHub, page: Any) -> None:
    """
    The stage changes under the reader's eyes, and the app comes into its frame by itself.
    """
    hub.runner.stage = Stage.BUILDING
    page.goto(f"{hub.url}/spaces/ada/dictation")
    assert page.get_by_role("status").first.inner_text().startswith("Building")
    assert page.locator("iframe.app").is_hidden()
    hub.runner.stage = Stage.APP_STARTING
    hub.runner.changed.ring()
    page.locator(".stage", has_text="Starting").wait_for()  # the page's policy lets no script be waited for
    hub.runner.stage = Stage.RUNNING
    hub.runner.changed.ring()
    page.frame_locator("iframe.app").locator("#app").wait_for()
    assert page.locator(".stage").inner_text() == "Running"
    assert page.locator(".stand").first.is_hidden()


def test_a_private_app_shows_in_its_owners_frame(hub: ScriptedHub, page: Any) -> None:
    """
    The signed address opens the door, and its cookie keeps it open for what the app loads later.
    """
    hub.runner.stage = Stage.RUNNING
    sign_in(hub, page, "/spaces/ada/closed")
    app = page.frame_locator("iframe.app").locator("#app")
    app.wait_for()
    status = app.evaluate("() => fetch('/index.html').then(answer => answer.status)")
    assert status == 200


def test_a_framed_page_stays_with_its_replica(hub: ScriptedHub, page: Any, tmp_path: Path) -> None:
    """
    Below the Hub's page, which is another site, the browser sends the replica's cookie with all that the app
    fetches; the next visitor has another replica.
    """
    hub.runner.stage = Stage.RUNNING
    sites = [tmp_path / "one", tmp_path / "two"]
    for site in sites:
        site.mkdir()
        (site / "index.html").write_text(f"<!doctype html><title>App</title><h1 id=app>{site.name}</h1>")
        (site / "name.txt").write_text(site.name)
    hub.space("twins")
    serve(hub, space(hub, "twins"), *map(FolderAddress, sites))
    names = "() => Promise.all(Array(6).fill().map(() => fetch('name.txt').then(a => a.text())))"
    met = []
    for _ in range(2):
        page.goto(f"{hub.url}/spaces/ada/twins")
        app = page.frame_locator("iframe.app").locator("#app")
        met.append(app.inner_text())
        assert set(app.evaluate(names)) == {met[-1]}
        page.context.clear_cookies()
    assert sorted(met) == ["one", "two"]


def test_a_mini_header_floats_on_the_app(hub: ScriptedHub, page: Any) -> None:
    """
    The app has the whole screen; its name and stage are there, and the keyboard reaches every page of it.
    """
    hub.runner.stage = Stage.RUNNING
    page.goto(f"{hub.url}/spaces/ada/floating")
    page.frame_locator("iframe.app").locator("#app").wait_for()
    height = page.viewport_size["height"]
    assert page.locator("iframe.app").bounding_box()["height"] == height
    assert page.locator("iframe.app").bounding_box()["y"] == 0
    assert page.get_by_role("heading", level=1).inner_text() == "floating"
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.textContent.trim()"))
    assert reached == ["Skip to the content", "App", "Logs", "Settings", "Files", "Commits"]


def test_settings_are_tables_that_can_be_read_aloud(hub: ScriptedHub, page: Any) -> None:
    """
    Each table has a name, and each value its row's and its column's heading.
    """
    sign_in(hub, page, "/spaces/ada/floating/settings")
    assert page.get_by_role("table", name="Variables").get_by_role("rowheader", name="GREETING").is_visible()
    columns = page.get_by_role("table", name="Secrets").get_by_role("columnheader").all_inner_texts()
    assert columns == ["Name", "About", "Changed"]


def test_the_log_is_read_live(hub: ScriptedHub, page: Any) -> None:
    """
    Every line comes, colours are taken out, errors stand out, and markup is text.
    """
    hub.runner.lines = [
        LogEntry("===== Build Queued =====\n", now()),
        LogEntry("\x1b[31m<b>red</b>\x1b[0m\n", now()),
        LogEntry("ModuleNotFoundError: No module named 'torch'\n", now()),
    ]
    sign_in(hub, page, "/spaces/ada/dictation/logs?log=build")
    page.locator(".log .line").nth(2).wait_for()
    lines = [line.strip() for line in page.locator(".log .line").all_inner_texts()]
    assert lines == [
        "===== Build Queued =====",
        "<b>red</b>",
        "ModuleNotFoundError: No module named 'torch'",
    ]
    assert page.locator(".log .bad").count() == 1


def test_a_card_runs_nothing(hub: ScriptedHub, page: Any) -> None:
    """
    No dialog opens, and every picture that is shown came from this Hub.
    """
    dialogs: list[str] = []
    asked: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{hub.url}/ada/tiny")
    page.get_by_role("heading", name="Tiny", exact=True).wait_for()
    assert dialogs == []
    assert all(url.startswith(hub.url) for url in asked)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/ada/tiny",
        "/spaces/ada/dictation",
        "/spaces/ada/floating/settings",
        "/ada/tiny/tree/main",
        "/buckets/ada/data",
        "/nope",
    ],
)
def test_pages_can_be_read_by_everybody(hub: ScriptedHub, page: Any, path: str) -> None:
    """
    Landmarks, one first heading, names for every control, and the keyboard's first stop skips to the content.
    """
    page.goto(hub.url + path)
    assert page.locator("main").count() == 1
    assert page.locator("h1").count() == 1
    assert page.locator("header.top").count() == 1
    nameless = page.evaluate(
        "() => [...document.querySelectorAll('a, button, input, iframe')].filter(each => "
        "!(each.textContent.trim() || each.title || each.labels?.length || each.ariaLabel "
        "|| each.querySelector('img[alt]'))).length"
    )
    assert nameless == 0
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(hub: ScriptedHub, browser: Any, scheme: Any) -> None:
    """
    Text and quiet text have a contrast of 4.5 or more, by day and by night.
    """
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(hub.url)
    names = ("ground", "surface", "ink", "quiet", "accent", "on", "on-ground", "wait", "wait-ground")
    colors = {
        name: page.evaluate(
            "name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()", name
        )
        for name in (*names, "bad", "bad-ground")
    }
    context.close()
    for ink, ground in [
        *((ink, ground) for ink in ("ink", "quiet", "accent") for ground in ("ground", "surface")),
        ("on", "on-ground"),
        ("wait", "wait-ground"),
        ("bad", "bad-ground"),
    ]:
        assert contrast(colors[ink], colors[ground]) >= 4.5, (ink, ground)


def contrast(first: str, second: str) -> float:
    """Return the contrast of two ``#rrggbb`` colours, as WCAG defines it."""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_pages_fit_a_phone(hub: ScriptedHub, page: Any) -> None:
    """
    Nothing makes a page wider than the screen.
    """
    page.set_viewport_size({"width": 390, "height": 800})
    sign_in(hub, page, "/spaces/ada/floating/settings")
    for path in (
        "/",
        "/ada/tiny",
        "/buckets/ada/data",
        "/spaces/ada/dictation",
        "/spaces/ada/floating",
        "/spaces/ada/floating/settings",
        "/ada/tiny/tree/main",
    ):
        page.goto(hub.url + path)
        wide = page.evaluate("() => document.documentElement.scrollWidth")
        assert wide <= 390, path
