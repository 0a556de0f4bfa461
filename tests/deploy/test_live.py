"""Deploys to the real local Hub; what runs there is really built and really asked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.conftest import OWNER, HubProcess
from tests.deploy.conftest import App

from spacehand.deploy.deploy import Deployed, deploy
from spacehand.deploy.timing import Timing
from spacehand.errors import BuildError, ConfigError, UnhealthyError
from spacehand.history import History, SpaceKey
from spacehand.hub.remote import RemoteHub
from spacehand.ids import RepoId, RepoKind
from spacehand.stage import Stage

GRADIO_APP = """
import os
import gradio as gr

def greet(name, file):
    if name == "boom":
        raise gr.Error("no such person")
    with open(file, "rb") as opened:
        size = len(opened.read())
    return {"text": f"hello {name}", "size": size, "secret": bool(os.environ.get("TOKEN"))}

gr.Interface(greet, [gr.Text(), gr.File()], gr.JSON(), api_name="greet").launch()
"""


@pytest.fixture
def space(name: str) -> RepoId:
    return RepoId(OWNER, name)


@pytest.fixture
def hub(local_hub: HubProcess) -> RemoteHub:
    return RemoteHub(local_hub.url, local_hub.token)


def run(app: App, hub: RemoteHub, history: History, space: RepoId) -> Deployed:
    app.settings.setdefault("space", {})["repo"] = str(space)
    return deploy(app.spec(), hub=hub, history=history, timing=Timing(timeout=240))


def pin_python(app: App) -> None:
    """Build with the interpreter that runs the tests, whichever the Hub would take."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    readme = (app.folder / "README.md").read_text()
    app.write("README.md", readme.replace("---\n", f'---\npython_version: "{version}"\n', 1))


@pytest.fixture
def site(app: App) -> App:
    """A static Space with one page."""
    app.write("README.md", "---\ntitle: Page\nsdk: static\n---\n")
    app.write("index.html", "<h1>one")
    app.remove("app.py")
    app.remove("requirements.txt")
    return app


def test_a_page_goes_live_once(site: App, hub: RemoteHub, history: History, space: RepoId) -> None:
    """The first deploy creates and pushes, the second does neither, the third pushes what changed."""
    first = run(site, hub, history, space)
    again = run(site, hub, history, space)
    site.write("index.html", "<h1>two")
    third = run(site, hub, history, space)

    assert first.changed
    assert first.stage is Stage.RUNNING
    assert not again.changed
    assert again.revision == first.revision
    assert third.revision != first.revision
    assert hub.read(RepoKind.SPACE, space, "index.html") == b"<h1>two"
    assert [r.result for r in history.releases(SpaceKey(hub.endpoint, space))] == ["healthy", "healthy"]


def test_a_page_that_is_not_where_the_probe_looks_is_undone(
    site: App, hub: RemoteHub, history: History, space: RepoId
) -> None:
    """A version whose page is gone fails its proof; the version before is back, as a new commit."""
    site.settings = {"probe": {"path": "/status.html", "timeout": 2}}
    site.write("status.html", "ok")
    first = run(site, hub, history, space)
    site.remove("status.html")

    with pytest.raises(UnhealthyError, match=r"`/status\.html` does not answer") as caught:
        run(site, hub, history, space)

    assert f"The version before, {first.revision[:7]}, is back" in str(caught.value.hint)
    assert hub.read(RepoKind.SPACE, space, "status.html") == b"ok"
    assert hub.head(RepoKind.SPACE, space) != first.revision


@pytest.mark.network
@pytest.mark.slow
def test_a_gradio_app_goes_live_fails_and_comes_back(
    app: App, hub: RemoteHub, history: History, space: RepoId, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real Gradio Space: built, started, called with an uploaded file; a broken version is undone."""
    monkeypatch.setenv("SOME_TOKEN", "canaryCANARYcanary")
    pin_python(app)
    app.write("app.py", GRADIO_APP)
    app.write("data.bin", "12345")
    app.settings = {
        "secrets": {"TOKEN": {"env": "SOME_TOKEN"}},
        "probe": {
            "api": "/greet",
            "inputs": ["ada", "data.bin"],
            "expect": {"path": "text", "contains": "hello ada"},
        },
    }

    first = run(app, hub, history, space)

    assert first.answer is not None
    assert first.answer.value == {"text": "hello ada", "size": 5, "secret": True}

    app.write("app.py", GRADIO_APP.replace("def greet", "import nothing_of_that_name\n\ndef greet"))
    with pytest.raises(UnhealthyError, match="No module named 'nothing_of_that_name'") as caught:
        run(app, hub, history, space)
    assert f"{first.revision[:7]}, is back" in str(caught.value.hint)

    app.write("app.py", GRADIO_APP)
    app.settings["probe"]["inputs"] = ["boom", "data.bin"]
    app.settings["variables"] = {"A": "1"}
    with pytest.raises(UnhealthyError, match="no such person"):
        run(app, hub, history, space)
    assert hub.variables(space) == {}


@pytest.mark.network
def test_requirements_that_cannot_be_are_a_build_error(
    app: App, hub: RemoteHub, history: History, space: RepoId
) -> None:
    """The resolver's own reason is in the message."""
    pin_python(app)
    app.write("requirements.txt", "gradio==3.50.2\n")

    with pytest.raises(BuildError, match=r"gradio==3\.50\.2"):
        run(app, hub, history, space)


def test_a_space_the_hub_cannot_make_out_is_a_config_error(
    app: App, hub: RemoteHub, history: History, space: RepoId
) -> None:
    """No application file: told at once, with where to name it."""
    app.write("README.md", (app.folder / "README.md").read_text().replace("app.py", "main.py"))
    with pytest.raises(ConfigError):
        run(app, hub, history, space)
