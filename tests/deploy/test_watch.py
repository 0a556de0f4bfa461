from __future__ import annotations

from dataclasses import replace

import pytest
from tests.deploy.conftest import Clock
from tests.hub.fake_hub import FakeHub

from spacehand.deploy.timing import Timing
from spacehand.deploy.watch import Awaited, watch, watch_replicas
from spacehand.errors import (
    BuildError,
    ConfigError,
    HubUnreachableError,
    UnhealthyError,
    WaitTimeoutError,
)
from spacehand.history import History, SpaceKey
from spacehand.hub._protocol import LocalFile, SpaceSettings
from spacehand.ids import RepoId, RepoKind
from spacehand.progress import Progress
from spacehand.stage import Stage

SPACE = RepoId("ada", "demo")


def push(hub: FakeHub, text: str = "1") -> str:
    """Create the Space if need be, push one file, and return the commit's sha."""
    if hub.head(RepoKind.SPACE, SPACE) is None:
        hub.create_space(SPACE, SpaceSettings("gradio"))
    file = LocalFile("app.py", content=text.encode())
    return hub.commit(RepoKind.SPACE, SPACE, files=[file], delete=[], message="m", parent=None).revision


def follow(hub: FakeHub, clock: Clock, awaited: Awaited, **options: object) -> list[Stage]:
    stages = []
    for seen in watch(hub, SPACE, awaited, now=clock.now, sleep=clock.sleep, clock=clock.now, **options):  # type: ignore[arg-type]
        stages.append(seen.stage)
    return stages


def test_watch_reports_each_stage_once_and_ends_at_the_awaited_commit(hub: FakeHub, clock: Clock) -> None:
    """A stage seen in several looks is yielded once, and RUNNING of the awaited commit ends the watch."""
    hub.builds = [(Stage.BUILDING, Stage.BUILDING, Stage.APP_STARTING, Stage.RUNNING)]
    sha = push(hub)

    assert follow(hub, clock, Awaited(sha)) == [Stage.BUILDING, Stage.APP_STARTING, Stage.RUNNING]


def test_replicas_are_waited_for(hub: FakeHub, timing: Timing) -> None:
    """Until as many answer as were asked for, each number is told once; in the end the time is up."""
    follow(hub, Clock(), Awaited(push(hub)))
    space, told, next_looks = hub.space(SPACE), [], iter([1, 1, 2, 3])
    space.replicas, space.up = 3, 0
    rising = replace(timing, sleep=lambda _: setattr(space, "up", next(next_looks)))

    watch_replicas(hub, SPACE, 3, timing=rising, report=lambda said: told.append(said.message))
    assert told == ["0 of 3 replicas answer", "1 of 3 replicas answer", "2 of 3 replicas answer"]

    space.up = 2
    with pytest.raises(WaitTimeoutError, match="2 of 3 replicas answer after 600 s"):
        watch_replicas(hub, SPACE, 3, timing=timing)


def test_an_old_commit_that_still_runs_is_not_done(hub: FakeHub, clock: Clock) -> None:
    """Just after a push RUNNING is the commit before: the watch goes on until the new sha answers."""
    first = push(hub, "1")
    follow(hub, clock, Awaited(first))
    second = push(hub, "2")

    stages = follow(hub, clock, Awaited(second))

    assert stages[0] is Stage.RUNNING
    assert stages[1] is Stage.RUNNING_BUILDING
    assert stages[-1] is Stage.RUNNING
    assert hub.runtime(SPACE).revision == second


def test_a_stage_nobody_knows_keeps_being_waited_for(hub: FakeHub, clock: Clock) -> None:
    """A stage the Hub invents tomorrow does not end the watch."""
    hub.builds = [(Stage.UNKNOWN, Stage.BUILDING, Stage.RUNNING)]
    sha = push(hub)

    assert follow(hub, clock, Awaited(sha))[-1] is Stage.RUNNING


def test_one_bad_answer_of_the_hub_does_not_end_it(hub: FakeHub, clock: Clock) -> None:
    """A 503 in between is waited out; a Hub that stays away is reported."""
    sha = push(hub)
    hub.refuse["events"] = [HubUnreachableError("503")]
    assert follow(hub, clock, Awaited(sha))[-1] is Stage.RUNNING

    hub.refuse["events"] = [HubUnreachableError("503")] * 5
    with pytest.raises(HubUnreachableError):
        follow(hub, clock, Awaited(sha))


def test_a_failed_build_is_told_with_the_line_that_says_why(hub: FakeHub, clock: Clock) -> None:
    """BUILD_ERROR becomes a BuildError whose message is the telling line of the build log."""
    hub.builds = [(Stage.BUILDING, Stage.BUILD_ERROR)]
    sha = push(hub)
    hub.space(SPACE).build_log = [
        "===== Build Queued =====",
        "ERROR: No matching distribution found for torhc==2.0",
        '--> ERROR: process "/bin/sh -c pip install" did not complete successfully: exit code: 1',
    ]

    with pytest.raises(BuildError, match="No matching distribution found for torhc") as caught:
        follow(hub, clock, Awaited(sha))

    assert "logs ada/demo --build" in str(caught.value.hint)


def test_an_app_that_ends_is_told_with_its_traceback_line(hub: FakeHub, clock: Clock) -> None:
    """RUNTIME_ERROR becomes an UnhealthyError with the exception the app died of."""
    hub.builds = [(Stage.BUILDING, Stage.APP_STARTING, Stage.RUNTIME_ERROR)]
    sha = push(hub)
    hub.space(SPACE).run_log = [
        "Traceback (most recent call last):",
        '  File "/app/app.py", line 3, in <module>',
        "ModuleNotFoundError: No module named 'x'",
    ]

    with pytest.raises(UnhealthyError, match="ModuleNotFoundError: No module named 'x'") as caught:
        follow(hub, clock, Awaited(sha))

    assert caught.value.details == tuple(hub.space(SPACE).run_log[1:])


def test_what_the_message_says_is_not_said_again(hub: FakeHub, clock: Clock) -> None:
    """A log of one line, which is the message, needs no details."""
    hub.builds = [(Stage.BUILDING, Stage.APP_STARTING, Stage.RUNTIME_ERROR)]
    sha = push(hub)
    hub.space(SPACE).run_log = ["===== Application Startup =====", "no model here"]

    with pytest.raises(UnhealthyError, match="no model here") as caught:
        follow(hub, clock, Awaited(sha))

    assert caught.value.details == ()


@pytest.mark.parametrize("stage", [Stage.CONFIG_ERROR, Stage.NO_APP_FILE])
def test_what_the_hub_cannot_build_is_a_config_error(hub: FakeHub, clock: Clock, stage: Stage) -> None:
    """CONFIG_ERROR and NO_APP_FILE are mistakes in files, not failed builds."""
    hub.builds = [(Stage.BUILDING, stage)]
    with pytest.raises(ConfigError):
        follow(hub, clock, Awaited(push(hub)))


def test_a_failure_of_the_commit_before_is_not_believed_at_once(hub: FakeHub, clock: Clock) -> None:
    """Just after a push the Hub still shows the old BUILD_ERROR; only one that stays is ours."""
    hub.builds = [(Stage.BUILD_ERROR,)]
    push(hub, "1")
    hub.builds = [(Stage.BUILD_ERROR, Stage.BUILDING, Stage.RUNNING)]
    sha = push(hub, "2")

    assert follow(hub, clock, Awaited(sha, before=Stage.BUILD_ERROR))[-1] is Stage.RUNNING

    hub.builds = [(Stage.BUILD_ERROR,)]
    sha = push(hub, "3")
    began = clock.now()
    with pytest.raises(BuildError):
        follow(hub, clock, Awaited(sha))
    assert clock.now() - began < 60


def test_time_runs_out(hub: FakeHub, clock: Clock) -> None:
    """A Space that never arrives ends in a WaitTimeoutError that names its stage."""
    hub.builds = [(Stage.BUILDING,)]
    sha = push(hub)

    with pytest.raises(WaitTimeoutError, match="still BUILDING after 120 s"):
        follow(hub, clock, Awaited(sha), timeout=120)


def test_a_paused_space_is_told_or_revived(hub: FakeHub, clock: Clock) -> None:
    """PAUSED ends a watch; a deploy restarts the Space instead, once."""
    sha = push(hub)
    follow(hub, clock, Awaited(sha))
    hub.pause(SPACE)
    with pytest.raises(UnhealthyError, match="is paused"):
        follow(hub, clock, Awaited(sha))

    assert follow(hub, clock, Awaited(sha, revive=True))[-1] is Stage.RUNNING
    assert hub.calls.count("restart") == 1


def test_a_restart_is_not_done_at_first_sight(hub: FakeHub, clock: Clock) -> None:
    """After a setting was changed the process before still answers: a restart must be seen, or not come."""
    sha = push(hub)
    follow(hub, clock, Awaited(sha))
    began = clock.now()

    assert follow(hub, clock, Awaited(sha, restarting=True)) == [Stage.RUNNING]
    assert clock.now() - began >= 10


def test_what_was_seen_is_remembered_and_told(hub: FakeHub, clock: Clock, history: History) -> None:
    """Every stage becomes an interval in the history, and progress says what usually follows."""
    said: list[Progress] = []
    sha = push(hub)

    follow(hub, clock, Awaited(sha), history=history, report=said.append)

    stages = [interval.stage for interval in history.stage_intervals(SpaceKey(hub.endpoint, SPACE))]
    assert stages == [Stage.BUILDING, Stage.APP_STARTING, Stage.RUNNING]
    assert any("then APP_STARTING" in progress.message for progress in said)
