"""What `status` tells of a Space, and of the release that did not work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.hub.fake_hub import FakeHub

from spacehand.cli.status import failed_release, lines
from spacehand.history import HEALTHY, History, Release, SpaceKey
from spacehand.hub._protocol import LocalFile, SpaceSettings
from spacehand.ids import RepoId, RepoKind

SPACE = RepoId.parse("ada/demo")


@pytest.fixture
def hub() -> FakeHub:
    hub = FakeHub()
    hub.create_space(SPACE, SpaceSettings("gradio"))
    return hub


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "history.sqlite")


def released(hub: FakeHub, history: History, text: str, result: str) -> Release:
    """A release whose only file says *text*."""
    file = LocalFile("app.py", content=text.encode())
    commit = hub.commit(RepoKind.SPACE, SPACE, files=[file], delete=[], message=text, parent=None)
    release = Release(hub.identity, str(SPACE), commit.revision, result=result)
    return history.add_release(release, at=0)


def shown(**known: Any) -> str:
    """What people read of a Space of which *known* is known."""
    names = "space stage revision head hardware requested_hardware replicas error failed_release"
    names += " space_url app_url local"
    return lines(dict.fromkeys(names.split()) | known)


def test_a_traceback_takes_one_line() -> None:
    """The columns stay columns, and the line is the one that says what happened."""
    text = shown(error="Traceback (most recent call last):\n  File \"app.py\"\nKeyError: 'x'\n\n")

    assert "  error     KeyError: 'x'\n" in text
    assert "Traceback" not in text


def test_what_is_not_known_is_not_shown() -> None:
    """A Space that has not started has no fidelity."""
    assert "None" not in shown(
        space="ada/demo", stage="BUILDING", local={"fidelity": None}, app_url="u", space_url="u"
    )
    assert "  fidelity  sandbox\n" in shown(local={"fidelity": "sandbox"})


def test_replicas_are_told_where_there_are_several() -> None:
    """How many answer, of how many."""
    several = shown(hardware="t4-small", replicas={"current": 1, "requested": 2})
    assert "  hardware  t4-small\n  replicas  1 of 2\n" in several
    assert "replicas" not in shown(replicas={"current": 1, "requested": 1})


def test_a_release_that_failed_is_told(hub: FakeHub, history: History) -> None:
    """Until another takes its place."""
    assert failed_release(hub, SPACE, history) is None
    released(hub, history, "one", "unhealthy: The app ended\nKeyError: 'x'")

    told = failed_release(hub, SPACE, history)
    assert told is not None
    assert (told["number"], told["was_undone"]) == (1, False)
    assert "  release   1 failed: KeyError: 'x'\n" in shown(failed_release=told)

    released(hub, history, "two", HEALTHY)
    assert failed_release(hub, SPACE, history) is None


def test_a_release_that_was_undone_is_told(hub: FakeHub, history: History) -> None:
    """The Space runs, but not what was deployed last."""
    released(hub, history, "good", HEALTHY)
    released(hub, history, "bad", "unhealthy: no")
    released(hub, history, "good", HEALTHY)  # the commit that brought it back

    told = failed_release(hub, SPACE, history)
    assert told is not None
    assert "  release   2 was undone: unhealthy: no\n" in shown(failed_release=told)

    released(hub, history, "better", HEALTHY)
    assert failed_release(hub, SPACE, history) is None
    assert history.last_release(SpaceKey(hub.identity, SPACE)) is not None
