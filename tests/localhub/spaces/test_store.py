"""What is kept of a Space's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import InvalidToken
from tests.localhub.runner.door import open_hub

from spacehand.ids import RepoId, RepoKind
from spacehand.localhub.errors import HubError
from spacehand.localhub.spaces.store import Entry, Spaces, gc_timeout
from spacehand.localhub.store.keys import Keys


def make(hub: Any, name: str = "demo", **payload: Any) -> Any:
    return hub.repos.create(
        RepoKind.SPACE,
        RepoId("ada", name),
        before_commit=lambda connection, repo: hub.spaces.configure_new(connection, repo, payload),
    )


def test_a_refused_creation_leaves_nothing(tmp_path: Path) -> None:
    """
    Settings are written in the transaction that makes the repository: all of it or nothing.
    """
    hub = open_hub(tmp_path)
    with pytest.raises(HubError):
        make(hub, secrets=[{"key": "OK", "value": "1"}, {"key": "NOT OK", "value": "1"}])
    assert hub.repos.list() == []
    for table in ("space_settings", "space_secrets"):
        assert hub.database.rows(f"SELECT * FROM {table}") == []


def test_secrets_need_the_key(tmp_path: Path) -> None:
    """
    The database alone does not give a secret away.
    """
    hub = open_hub(tmp_path)
    repo = make(hub, secrets=[{"key": "A", "value": "sesame"}])
    stored = hub.database.rows("SELECT value FROM space_secrets")[0]["value"]
    assert b"sesame" not in stored
    assert hub.spaces.secret_values(repo) == {"A": "sesame"}
    stranger = Spaces(hub.database, Keys(tmp_path / "another.key"))
    with pytest.raises(InvalidToken):
        stranger.secret_values(repo)


def test_a_secret_stands_before_a_variable_and_both_are_named(tmp_path: Path) -> None:
    """
    The runner is told which names are both, so that it can refuse to start as the Hub does.
    """
    hub = open_hub(tmp_path)
    repo = make(hub, variables=[{"key": "A", "value": "v"}], secrets=[{"key": "A", "value": "s"}])
    assert hub.spaces.environment(repo) == {"A": "s"}
    assert hub.spaces.collisions(repo) == ["A"]


def test_ports_belong_to_one_space_each(tmp_path: Path) -> None:
    """
    No two Spaces share a port, and a Space's own stays what it was.
    """
    hub = open_hub(tmp_path)
    repos = [make(hub, f"demo-{number}") for number in range(8)]
    ports = [hub.spaces.port(repo) for repo in repos]
    assert len(set(ports)) == 8
    assert [Spaces(hub.database, hub.keys).port(repo) for repo in repos] == ports


def test_settings_of_a_space_without_a_row_are_the_defaults(tmp_path: Path) -> None:
    """
    A repository that was made by other means still has hardware and a port.
    """
    hub = open_hub(tmp_path)
    repo = hub.repos.create(RepoKind.SPACE, RepoId("ada", "bare"))
    assert hub.spaces.settings(repo).hardware == "cpu-basic"
    assert hub.spaces.port(repo) == hub.spaces.port(repo)


@pytest.mark.parametrize(
    ("hardware", "seconds", "expected"),
    [
        ("cpu-basic", 60, 172_800),
        ("cpu-basic", -1, 172_800),
        ("t4-small", None, None),
        ("t4-small", -1, None),
        ("t4-small", 60, 60),
    ],
)
def test_when_a_space_sleeps(
    tmp_path: Path, hardware: str, seconds: int | None, expected: int | None
) -> None:
    """
    Free hardware after 48 hours always; other hardware never, unless asked.
    """
    hub = open_hub(tmp_path)
    repo = make(hub, hardware=hardware, sleepTimeSeconds=seconds)
    assert gc_timeout(hub.spaces.settings(repo)) == expected


@pytest.mark.parametrize("payload", [{"key": "A"}, {"key": "A", "value": 1}, {"key": "A", "value": "\0"}])
def test_a_value_is_text(payload: dict[str, Any]) -> None:
    """
    No environment can hold anything else.
    """
    with pytest.raises(HubError):
        Entry.parse(payload)
