"""Spaces that fail on purpose, seen through the unmodified official client."""

from __future__ import annotations

import time
from typing import Any

import pytest
from huggingface_hub.utils import get_session

from tests.localhub.faults.stage import Stage


def until(stage: Stage, space: str, *stages: str, sha: str | None = None) -> dict[str, Any]:
    """Return the runtime once its stage is one of *stages*, as the official client reads it."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        runtime: dict[str, Any] = stage.api.get_space_runtime(space).raw
        if runtime["stage"] in stages and sha in (None, runtime.get("sha")):
            return runtime
        time.sleep(0.02)  # the official client can only ask
    raise AssertionError(runtime)


def test_a_stuck_start_ends_when_the_fault_does(stage: Stage) -> None:
    """
    The stage stays at APP_STARTING, the runtime says why, and the app starts once the fault is removed.
    """
    space = stage.space("stuck")
    fault = stage.fault("stuck-start", space=space)
    sha = stage.push(space)
    runtime = until(stage, space, "APP_STARTING")
    assert runtime["spacehand"]["faults"] == ["Apps are never started: the stage stays at APP_STARTING"]
    stage.desk.remove(fault)
    runtime = until(stage, space, "RUNNING", sha=sha)
    assert runtime["spacehand"]["faults"] == []


def test_a_slow_build_shows_building(stage: Stage) -> None:
    """
    BUILDING while the build waits its time; it begins when that, or the fault, is over.
    """
    space = stage.space("slow")
    fault = stage.fault("slow-build", space=space, seconds=3600)
    sha = stage.push(space)
    until(stage, space, "BUILDING")
    assert sha not in stage.builder.built
    stage.desk.remove(fault)
    until(stage, space, "RUNNING", sha=sha)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no-capacity", "Scheduling failure: unable to schedule"),
        ("storage-limit", "Workload evicted, storage limit exceeded (50G)"),
    ],
)
def test_a_start_fails_in_the_hub_s_words(stage: Stage, kind: str, message: str) -> None:
    """
    RUNTIME_ERROR with the message that huggingface.co shows; a restart afterwards brings the app up.
    """
    space = stage.space(kind)
    stage.fault(kind, space=space, times=1)
    sha = stage.push(space)
    assert until(stage, space, "RUNTIME_ERROR")["errorMessage"] == message
    stage.api.restart_space(space)
    until(stage, space, "RUNNING", sha=sha)


def test_a_build_without_a_log(stage: Stage) -> None:
    """
    BUILD_ERROR, no message, and not one line in the build log.
    """
    space = stage.space("wordless")
    stage.fault("empty-build-log", space=space, times=1)
    stage.push(space)
    assert "errorMessage" not in until(stage, space, "BUILD_ERROR")
    assert stage.log(space, "build") == []


def test_a_paused_space_stays_paused(stage: Stage) -> None:
    """
    The restart is accepted, the stage is still PAUSED; the next restart works.
    """
    space = stage.space("paused")
    sha = stage.push(space)
    until(stage, space, "RUNNING", sha=sha)
    stage.api.pause_space(space)
    stage.fault("stale-paused", space=space, times=1)
    assert stage.api.restart_space(space).stage == "PAUSED"
    stage.api.restart_space(space)
    until(stage, space, "RUNNING", sha=sha)


def test_a_dead_port_says_running(stage: Stage) -> None:
    """
    RUNNING for whoever asks the API, 503 for whoever asks the app, and the app again when the fault is over.
    """
    space = stage.space("dead")
    sha = stage.push(space, "alive")
    until(stage, space, "RUNNING", sha=sha)
    host = stage.api.space_info(space).host
    fault = stage.fault("dead-port", space=space)
    assert get_session().get(f"{host}/").status_code == 503
    assert stage.api.get_space_runtime(space).stage == "RUNNING"
    stage.desk.remove(fault)
    assert get_session().get(f"{host}/").text == "alive"
