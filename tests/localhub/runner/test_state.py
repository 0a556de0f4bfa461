"""What is known of a Space's run outlives the Hub, and so does the list of what has to be ended."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil

from spacehand.localhub.runner.state import SCHEMA, RunState, RunStates
from spacehand.localhub.store.database import Database
from spacehand.stage import Stage


def states(folder: Path) -> RunStates:
    return RunStates(Database(folder / "hub.sqlite", [SCHEMA]))


def test_state_comes_back_as_it_was(tmp_path: Path):
    """
    A state read by the next Hub equals the one that was kept; a Space nobody knows has no app file.
    """
    kept = RunState(Stage.RUNTIME_ERROR, "b" * 40, "a" * 40, error="Exit code: 1", differences=("no GPU",))
    states(tmp_path).save("u", kept, event=True)
    assert states(tmp_path).load("u") == kept
    assert states(tmp_path).load("other").stage is Stage.NO_APP_FILE


def test_history_of_stages_is_kept_within_bounds(tmp_path: Path):
    """
    Every change is kept with its time, of thousands only the newest thousand or so.
    """
    one = states(tmp_path)
    with one._database.write():
        for number in range(1_300):
            state = replace(RunState(), stage=Stage.RUNNING if number % 2 else Stage.BUILDING)
            one.save("u", state, event=True)
    assert 1_000 <= len(one.stages("u")) <= 1_100
    assert one.stages("u")[-1][1] == "RUNNING"


def test_orphans_are_ended_and_nobody_else(tmp_path: Path):
    """
    What an earlier Hub started is killed with its children; another process with a recorded number is not.
    """
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    orphan = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE)
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    one = states(tmp_path)
    one.started("u", orphan.pid)
    one.started("u", bystander.pid)
    with one._database.write() as connection:
        connection.execute("UPDATE space_processes SET started = 1 WHERE pid = ?", (bystander.pid,))
    while not (children := psutil.Process(orphan.pid).children()):
        pass

    ended = states(tmp_path).end_orphans()

    assert set(ended) == {orphan.pid, children[0].pid}
    assert bystander.poll() is None
    assert not psutil.pid_exists(children[0].pid)
    for process in (orphan, bystander):
        process.kill()
        process.communicate()
