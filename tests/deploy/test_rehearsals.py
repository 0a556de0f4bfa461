"""Deploys to a Hub that fails on purpose: how each ends, and in which words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.deploy.conftest import App
from tests.localhub.faults.stage import Stage, open_stage
from tests.localhub.runner.conftest import server

from spacehand.deploy import watch
from spacehand.deploy.deploy import Deployed, deploy
from spacehand.deploy.timing import Timing
from spacehand.errors import (
    BuildError,
    HubUnreachableError,
    PaymentError,
    QuotaError,
    SpacehandError,
    UnhealthyError,
    WaitTimeoutError,
)
from spacehand.history import History
from spacehand.hub.remote import RemoteHub
from spacehand.ids import RepoId, RepoKind
from spacehand.progress import Progress

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def the_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("rehearsal") / "data") as stage:
        yield stage


@pytest.fixture
def stage(the_stage: Stage, app: App, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """The Hub, and an app that really runs on it; what takes minutes elsewhere takes a second."""
    app.write("app.py", server('self.say("hello")'))
    app.settings = {"space": {"repo": f"ada/{name}"}, "probe": {"timeout": 2}}
    for constant, seconds in (("_SLICE", 0.5), ("_STEADY", 0.5), ("_NO_BUILD_YET", 1.0), ("GRACE", 0.5)):
        monkeypatch.setattr(watch, constant, seconds)
    yield the_stage
    the_stage.desk.clear()


def run(app: App, stage: Stage, history: History, *, timeout: float = 60) -> Deployed:
    hub = RemoteHub(stage.url, stage.token)
    return deploy(app.spec(), hub=hub, history=history, timing=Timing(timeout=timeout))


def refused(app: App, stage: Stage, history: History, *, timeout: float = 60) -> SpacehandError:
    """Return the error that the deploy ends with."""
    with pytest.raises(SpacehandError) as caught:
        run(app, stage, history, timeout=timeout)
    return caught.value


def test_a_slow_build_is_waited_for(stage: Stage, app: App, history: History) -> None:
    """A deploy with patience is not disturbed; one without ends with 9, and says how far it came."""
    stage.fault("slow-build", seconds=1, times=1)
    assert run(app, stage, history).changed

    stage.fault("slow-build", seconds=3600, times=1)
    app.write("app.py", server('self.say("two")'))
    error = refused(app, stage, history, timeout=2)
    assert (type(error), error.exit_code) == (WaitTimeoutError, 9)
    assert "is still RUNNING_BUILDING after 2 s" in error.message
    assert "is back as commit" in str(error.hint)


def test_a_stuck_start_ends_with_9(stage: Stage, app: App, history: History) -> None:
    """The stage it is stuck at is in the message."""
    stage.fault("stuck-start")
    error = refused(app, stage, history, timeout=2)
    assert error.exit_code == 9
    assert "is still APP_STARTING after 2 s" in error.message


def test_a_space_that_stays_paused_ends_with_8(stage: Stage, app: App, history: History) -> None:
    """The restart was tried, and did nothing: it is not called healthy."""
    first = run(app, stage, history)
    stage.api.pause_space(str(first.space))
    stage.fault("stale-paused")
    app.write("app.py", server('self.say("two")'))
    error = refused(app, stage, history)
    assert (type(error), error.exit_code) == (UnhealthyError, 8)
    assert error.message == f"{first.space} is paused"


def test_a_pause_that_one_restart_cannot_end_is_not_the_last_word(
    stage: Stage, app: App, history: History
) -> None:
    """Once the Hub is well again, the next deploy brings the same version up."""
    first = run(app, stage, history)
    stage.api.pause_space(str(first.space))
    fault = stage.fault("stale-paused")
    app.write("app.py", server('self.say("two")'))
    refused(app, stage, history)
    stage.desk.remove(fault)
    assert run(app, stage, history).stage == "RUNNING"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no-capacity", "The Hub has no machine for it now: Scheduling failure: unable to schedule"),
        ("storage-limit", "The Hub ended the app: Workload evicted, storage limit exceeded (50G)"),
    ],
)
def test_a_failure_of_the_machines_is_not_called_the_app_s(
    stage: Stage, app: App, history: History, kind: str, message: str
) -> None:
    """Exit 8 with the Hub's own sentence; the same deploy again starts the Space again, and succeeds."""
    fault = stage.fault(kind)
    error = refused(app, stage, history)
    assert (type(error), error.exit_code, error.message) == (UnhealthyError, 8, message)

    stage.desk.remove(fault)
    again = run(app, stage, history)
    assert (again.stage, again.changed) == ("RUNNING", False)


def test_an_empty_build_log_is_laid_at_the_hub_s_door(stage: Stage, app: App, history: History) -> None:
    """Exit 7; nothing is said about the app, and the next deploy lets the Hub build it anew."""
    stage.fault("empty-build-log", times=1)
    error = refused(app, stage, history)
    assert (type(error), error.exit_code) == (BuildError, 7)
    assert "the log is empty: the Hub itself failed" in error.message
    assert "Deploy again" in str(error.hint)
    assert run(app, stage, history).stage == "RUNNING"


def test_a_dead_port_is_found_out(stage: Stage, app: App, history: History) -> None:
    """RUNNING is no proof: nobody answers, exit 8, and the version before is back."""
    first = run(app, stage, history)
    stage.fault("dead-port")
    app.write("app.py", server('self.say("two")'))
    error = refused(app, stage, history)
    assert (type(error), error.exit_code) == (UnhealthyError, 8)
    assert error.message == "The Space says it runs, but `/` does not answer: status 503"
    assert f"The version before, {first.revision[:7]}, is back" in str(error.hint)


def test_a_few_503s_are_ridden_out(stage: Stage, app: App, history: History) -> None:
    """Some bad answers in a row, before the push and while it is watched, change nothing."""
    stage.fault("unavailable", times=2)
    first = run(app, stage, history)
    assert first.changed


def test_a_hub_that_is_down_ends_with_1(stage: Stage, app: App, history: History) -> None:
    """Nothing is pushed, and nothing is said about the app."""
    stage.fault("unavailable")
    error = refused(app, stage, history)
    assert (type(error), error.exit_code) == (HubUnreachableError, 1)
    assert "The Hub answered 503: Service Unavailable" in error.message


def test_a_space_that_costs_ends_with_5(stage: Stage, app: App, history: History, name: str) -> None:
    """The four routes are in the hint, and no Space is left behind."""
    stage.fault("payment")
    error = refused(app, stage, history)
    assert (type(error), error.exit_code) == (PaymentError, 5)
    assert "zero-a10g" in str(error.hint)
    stage.desk.clear()
    assert RemoteHub(stage.url, stage.token).head(RepoKind.SPACE, RepoId("ada", name)) is None


def test_a_rate_limit_says_nothing_about_the_version(stage: Stage, app: App, history: History) -> None:
    """A short one is waited for, a long one while a version starts as well; before a push it ends with 5."""
    stage.fault("rate-limit", seconds=0, times=1)
    first = run(app, stage, history)

    stage.fault("rate-limit", seconds=300)
    error = refused(app, stage, history)
    assert (type(error), error.exit_code) == (QuotaError, 5)
    assert "Try again in 301 s" in str(error.hint)
    stage.desk.clear()

    limited = []

    def limit(progress: Progress) -> None:
        if progress.message.startswith(("Building (", "Building;", "Starting")) and not limited:
            limited.append(progress)
            stage.fault("rate-limit", seconds=300, space=str(first.space), duration=1)

    app.write("app.py", server('self.say("two")'))
    hub = RemoteHub(stage.url, stage.token)
    done = deploy(app.spec(), hub=hub, history=history, report=limit, timing=Timing(timeout=60))
    assert limited
    assert done.stage == "RUNNING"
    assert done.revision != first.revision
