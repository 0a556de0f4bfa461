"""What is known of a Space's run outlives the Hub, and so does what finds its apps again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from spacehand.localhub.runner.build.interpreter import Interpreter
from spacehand.localhub.runner.engines._protocol import Folders, HubAccess, Layout, RunSpec
from spacehand.localhub.runner.life.record import ReplicaRecord
from spacehand.localhub.runner.life.state import SCHEMA, RunState, RunStates
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


def test_a_started_app_is_found_until_it_has_ended(tmp_path: Path):
    """
    What finds an app again comes back as it was, without a secret, until the app is said to have ended.
    """
    layout = Layout("/app", "/home/user", "/tmp", "/opt/venv/bin", "0.0.0.0", 7860)
    spec = RunSpec(
        space="ada/demo",
        command=("app.py",),
        folders=Folders(tmp_path / "token"),
        layout=layout,
        interpreter=Interpreter(Path("/usr/bin/python3"), "3.11.2", Path("/usr")),
        venv=tmp_path / "venv",
        memory_bytes=1 << 30,
        socket=tmp_path / "s",
        control=tmp_path / "k",
        hub=HubAccess("http://127.0.0.1:7870", 7870, tmp_path / "hub.sock"),
        environment={"TOKEN": "s3cr3t"},
    )
    record = ReplicaRecord("a" * 40, "sandbox", "mark", {"pid": 7}, spec, {"x-y": "z"})
    one = states(tmp_path)
    one.started("u", "token", record)
    one.started("u", "other", record)
    one.ended("other")

    assert states(tmp_path).replicas() == [
        ("u", "token", replace(record, spec=replace(spec, environment={})))
    ]
    assert "s3cr3t" not in record.to_json()
    one.forget_replicas({"another"})
    assert one.replicas() == []
