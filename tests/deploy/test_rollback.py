from __future__ import annotations

import pytest
from tests.hub.fake_hub import FakeHub

from spacehand.deploy.rollback import restore_files, restore_release
from spacehand.errors import ConflictError, NotFoundError
from spacehand.history import Release
from spacehand.hub._protocol import LocalFile, SpaceSettings
from spacehand.ids import RepoId, RepoKind

SPACE = RepoId("ada", "demo")


def push(hub: FakeHub, *deleted: str, **files: str) -> str:
    if hub.head(RepoKind.SPACE, SPACE) is None:
        hub.create_space(SPACE, SpaceSettings("gradio"))
    local = [LocalFile(name, content=text.encode()) for name, text in files.items()]
    commit = hub.commit(RepoKind.SPACE, SPACE, files=local, delete=deleted, message="m", parent=None)
    return commit.revision


def test_files_come_back_by_a_new_commit(hub: FakeHub) -> None:
    """Changed ones as they were, new ones gone, deleted ones there again; the history only grows."""
    first = push(hub, a="1", b="1")
    second = push(hub, "b", a="2", c="2")

    commit = restore_files(hub, SPACE, first, because="the page is dead")

    assert commit.changed
    assert "the page is dead" in hub.repo(RepoKind.SPACE, SPACE).messages[-1]
    assert hub.files(RepoKind.SPACE, SPACE) == hub.files(RepoKind.SPACE, SPACE, first)
    assert list(hub.repo(RepoKind.SPACE, SPACE).revisions)[-3:] == [first, second, commit.revision]


def test_what_is_there_already_is_not_committed(hub: FakeHub) -> None:
    """Restoring the present version makes no commit."""
    first = push(hub, a="1")
    assert not restore_files(hub, SPACE, first).changed


def test_a_push_in_between_wins(hub: FakeHub) -> None:
    """Somebody pushed while the old files were read: theirs is not overwritten."""
    first = push(hub, a="1")
    push(hub, a="2")
    hub.before["commit"] = lambda: hub.edit(RepoKind.SPACE, SPACE, "a", "theirs")

    with pytest.raises(ConflictError):
        restore_files(hub, SPACE, first)
    assert hub.text(RepoKind.SPACE, SPACE, "a") == "theirs"


def test_a_release_is_code_variables_volumes_and_hardware(hub: FakeHub) -> None:
    """All of it comes back, but for secrets: those that are gone are named."""
    volume = {"type": "model", "source": "ada/tiny", "mountPath": "/m", "readOnly": True}
    release = Release(
        hub.endpoint,
        str(SPACE),
        push(hub, a="1"),
        variables={"A": "1", "B": "1"},
        secret_names=["HF_TOKEN"],
        hardware="cpu-basic",
        volumes=[volume],
    )
    push(hub, a="2")
    hub.set_variable(SPACE, "A", "2")
    hub.set_variable(SPACE, "C", "2")
    hub.set_hardware(SPACE, "t4-small", None)

    _, missing = restore_release(hub, SPACE, release)

    assert hub.text(RepoKind.SPACE, SPACE, "a") == "1"
    assert hub.variables(SPACE) == {"A": "1", "B": "1"}
    assert hub.space(SPACE).hardware == "cpu-basic"
    assert list(hub.space(SPACE).volumes) == [volume]
    assert missing == ["the secret `HF_TOKEN` is gone; set it again"]


def test_a_release_is_its_replicas_too(hub: FakeHub) -> None:
    """Its hardware comes first, for only paid hardware has several."""
    release = Release(hub.endpoint, str(SPACE), push(hub, a="1"), hardware="t4-small", replicas=3)
    restore_release(hub, SPACE, release)
    assert (hub.space(SPACE).hardware, hub.space(SPACE).replicas) == ("t4-small", 3)


def test_a_version_that_is_gone_cannot_come_back(hub: FakeHub) -> None:
    """Neither can a Space that was deleted."""
    with pytest.raises(NotFoundError):
        restore_files(hub, SPACE, "a" * 40)
    push(hub, a="1")
    with pytest.raises(NotFoundError):
        restore_files(hub, SPACE, "a" * 40)
