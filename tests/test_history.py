from __future__ import annotations

import threading
from pathlib import Path

import pytest

from spacehand.errors import ConfigError
from spacehand.history import History, Release, SpaceKey
from spacehand.ids import RepoId
from spacehand.stage import Stage

KEY = SpaceKey("http://127.0.0.1:7870", RepoId("ada", "demo"))


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "deep" / "history.sqlite")


def release(revision: str, **more: object) -> Release:
    return Release(KEY.endpoint, str(KEY.space), revision, **more)  # type: ignore[arg-type]


def test_looks_become_intervals(history: History) -> None:
    """The same stage lengthens an interval, another one ends it where it begins."""
    for at, stage in ((0, Stage.BUILDING), (30, Stage.BUILDING), (60, Stage.RUNNING), (100, Stage.RUNNING)):
        history.see_stage(KEY, stage, at=at, hardware="t4-small")

    seen = [(i.stage, i.started, i.ended) for i in history.stage_intervals(KEY)]

    assert seen == [(Stage.BUILDING, 0, 60), (Stage.RUNNING, 60, 100)]


def test_time_nobody_looked_at_is_a_gap(history: History) -> None:
    """Two looks an hour apart do not prove what was in between."""
    history.see_stage(KEY, Stage.RUNNING, at=0)
    history.see_stage(KEY, Stage.RUNNING, at=3600)

    assert sum(i.seconds for i in history.stage_intervals(KEY)) == 0


def test_endpoints_are_kept_apart(history: History) -> None:
    """A Space of the same name on another Hub is another Space."""
    history.see_stage(KEY, Stage.RUNNING, at=0)
    history.add_release(release("a" * 40), at=0)
    other = SpaceKey("https://huggingface.co", KEY.space)

    assert history.stage_intervals(other) == []
    assert history.releases(other) == []


def test_the_usual_time_is_the_median(history: History) -> None:
    """One slow build does not spoil the expectation."""
    at = 0.0
    for seconds in (20, 22, 400):
        history.see_stage(KEY, Stage.BUILDING, at=at)
        history.see_stage(KEY, Stage.RUNNING, at=at + seconds)
        at += 10_000

    assert history.usual_seconds(KEY, Stage.BUILDING) == 22
    assert history.usual_seconds(KEY, Stage.PAUSED) is None


def test_a_stage_that_was_only_glimpsed_has_no_usual_time(history: History) -> None:
    """Nobody is told to expect a start of 0 s."""
    for at, seconds in ((0, 0.0), (10_000, 0.4)):
        history.see_stage(KEY, Stage.APP_STARTING, at=at)
        history.see_stage(KEY, Stage.RUNNING, at=at + seconds)

    assert history.usual_seconds(KEY, Stage.APP_STARTING) is None


def test_a_price_is_the_one_of_its_time(history: History) -> None:
    """A cost is computed with the price of then, not of today."""
    history.see_prices(KEY.endpoint, {"t4-small": 0.40, "cpu-basic": 0}, at=100)
    history.see_prices(KEY.endpoint, {"t4-small": 0.60, "cpu-basic": 0}, at=200)

    assert history.prices(KEY.endpoint, at=150)["t4-small"] == 0.40
    assert history.prices(KEY.endpoint, at=250)["t4-small"] == 0.60
    assert history.prices(KEY.endpoint, at=50)["t4-small"] == 0.40  # nothing earlier is known


def test_releases_are_numbered_and_settled(history: History) -> None:
    """The last release is the state left behind, the last healthy one is where a rollback goes."""
    first = history.add_release(release("a" * 40, variables={"A": "1"}), at=0)
    second = history.add_release(release("b" * 40, result="deploying"), at=60)
    history.settle_release(second, "SH0007: the build failed")

    assert (first.number, second.number) == (1, 2)
    assert first.at == "1970-01-01T00:00:00Z"
    last, healthy = history.last_release(KEY), history.last_healthy(KEY)
    assert last is not None
    assert last.result == "SH0007: the build failed"
    assert healthy == first


def test_a_release_file_carries_releases_to_another_machine(history: History, tmp_path: Path) -> None:
    """What was exported is imported once, however often it is imported."""
    history.add_release(release("a" * 40, secret_names=["HF_TOKEN"], volumes=[{"type": "model"}]), at=0)
    history.export_releases(KEY, tmp_path / "release.json")
    elsewhere = History(tmp_path / "other.sqlite")

    assert elsewhere.import_releases(tmp_path / "release.json") == 1
    assert elsewhere.import_releases(tmp_path / "release.json") == 0
    assert elsewhere.releases(KEY) == history.releases(KEY)


@pytest.mark.parametrize("text", ["", "[]", '{"releases": [{"number": 1}]}', "{}"])
def test_another_file_is_no_release_file(history: History, tmp_path: Path, text: str) -> None:
    """A file that is something else is refused with its name."""
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ConfigError, match="no release file"):
        history.import_releases(tmp_path / "x.json")


def test_several_writers_lose_nothing(history: History) -> None:
    """Threads and processes write at once, and every release gets a number of its own."""
    threads = [
        threading.Thread(target=lambda: history.add_release(release("a" * 40), at=0)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [r.number for r in history.releases(KEY)] == list(range(1, 9))
