"""What a Hub makes good when it starts, because the one before it was killed between two steps."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pygit2
import pytest
from tests.conftest import HubProcess

SPACE = "ada/demo"
README = b"---\nsdk: static\n---\n"


def move_main(hub: HubProcess, page: str) -> str:
    """Move ``main`` as a push does of which the runner never heard; return the new head."""
    (folder,) = (hub.data / "repos").iterdir()
    git = pygit2.Repository(str(folder))
    tree = git.TreeBuilder()
    for name, content in {"README.md": README, "index.html": page.encode()}.items():
        tree.insert(name, git.create_blob(content), pygit2.GIT_FILEMODE_BLOB)
    who = pygit2.Signature("ada", "ada@localhost")
    head = git.references["refs/heads/main"].target
    return str(git.create_commit("refs/heads/main", who, who, "change", tree.write(), [head]))


def change(hub: HubProcess, *statements: str) -> None:
    """Change the database of a Hub that does not run."""
    with closing(sqlite3.connect(hub.data / "hub.sqlite", isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def runs(hub: HubProcess, sha: str) -> None:
    """Wait until the Space runs at *sha*."""
    deadline = time.monotonic() + 30
    runtime: dict[str, Any] = {}
    # A static Space has no `sha` on the wire: there is no container.
    while not (runtime.get("stage") == "RUNNING" and runtime["spacehand"]["serving"] == sha):
        assert time.monotonic() < deadline, runtime
        runtime = hub.api.get_space_runtime(SPACE).raw


@pytest.mark.parametrize("heard_of_the_space", [True, False])
def test_a_push_that_the_runner_never_heard_of_is_built(fresh_hub: HubProcess, heard_of_the_space: bool):
    """
    A Hub killed after it moved ``main`` and before it told its runner builds that commit when it starts.
    """
    fresh_hub.start().api.create_repo(SPACE, repo_type="space", space_sdk="static")
    fresh_hub.kill()
    head = move_main(fresh_hub, "hello")
    if not heard_of_the_space:
        change(fresh_hub, "DELETE FROM space_runs", "DELETE FROM space_events")

    fresh_hub.start()

    runs(fresh_hub, head)
    assert "hello" in httpx.get(fresh_hub.api.space_info(SPACE).host).text


def test_a_space_with_its_first_commit_alone_is_not_built(fresh_hub: HubProcess):
    """
    The commit that the Hub itself makes for a new Space is nobody's push: there is nothing to run.
    """
    fresh_hub.start().api.create_repo(SPACE, repo_type="space", space_sdk="gradio")
    fresh_hub.kill()
    change(fresh_hub, "DELETE FROM space_runs", "DELETE FROM space_events")
    fresh_hub.start()
    assert fresh_hub.api.get_space_runtime(SPACE).stage == "NO_APP_FILE"


def test_a_deleted_space_leaves_no_log_to_its_successor(fresh_hub: HubProcess):
    """
    A Hub killed after it deleted a Space's row removes the rest when it starts: logs, state, history.
    """
    fresh_hub.start().api.create_repo(SPACE, repo_type="space", space_sdk="static")
    fresh_hub.kill()
    logs = fresh_hub.data / "spaces" / SPACE / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    (logs / "run.jsonl").write_text('{"data": "of old\\n", "timestamp": "2026-01-01T00:00:00.000Z"}\n')
    change(fresh_hub, "DELETE FROM repos", "DELETE FROM space_settings")

    fresh_hub.start()

    assert not logs.exists()
    assert list((fresh_hub.data / "repos").iterdir()) == []
    fresh_hub.api.create_repo(SPACE, repo_type="space", space_sdk="static")
    assert not any("of old" in path.read_text() for path in logs.glob("*.jsonl"))
    fresh_hub.kill()
    assert count(fresh_hub.data, "space_runs") <= 1


def count(data: Path, table: str) -> int:
    with closing(sqlite3.connect(data / "hub.sqlite")) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
