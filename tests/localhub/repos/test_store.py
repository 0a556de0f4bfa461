"""The rules of repositories on disk and in the database."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import threading
from pathlib import Path

import pygit2
import pytest

from spacehand.ids import RepoId, RepoKind, Visibility
from spacehand.localhub.errors import HubError
from spacehand.localhub.hub import LocalHub
from spacehand.localhub.repos.store import AlreadyExistsError, Moved, Repo, Repos

TINY = RepoId("ada", "tiny")


@pytest.fixture
def repos(opened_hub: LocalHub) -> Repos:
    return opened_hub.repos


def test_a_failure_while_making_leaves_nothing(repos: Repos, opened_hub: LocalHub):
    """
    When what belongs to a repository cannot be written, there is no repository either.
    """

    def fail(connection: sqlite3.Connection, repo: Repo) -> None:
        assert connection.execute("SELECT uid FROM repos").fetchone()["uid"] == repo.uid
        raise RuntimeError

    with pytest.raises(RuntimeError):
        repos.create(RepoKind.SPACE, TINY, Visibility.PUBLIC, "gradio", fail)

    assert repos.list() == []
    assert list(opened_hub.place.repos.iterdir()) == list(opened_hub.place.incoming.iterdir()) == []


def test_who_asks_by_uid_sees_every_change_at_once(repos: Repos):
    """
    What is remembered of a repository is never older than its last change, and ends with it.
    """
    repo = repos.create(RepoKind.MODEL, TINY)
    assert repos.by_uid(repo.uid).visibility is Visibility.PUBLIC
    repos.change(repo, visibility=Visibility.PRIVATE, gated=None)
    assert repos.by_uid(repo.uid).visibility is Visibility.PRIVATE
    repos.move(repo, RepoId("ada", "small"))
    assert repos.by_uid(repo.uid).id == RepoId("ada", "small")
    repos.delete(repo)
    with pytest.raises(HubError):
        repos.by_uid(repo.uid)


def test_what_was_undone_is_not_remembered(repos: Repos, opened_hub: LocalHub):
    """
    A change that was seen inside a transaction which then failed is seen by nobody after it.
    """
    uid = repos.create(RepoKind.MODEL, TINY, Visibility.PUBLIC).uid

    def change() -> None:
        with opened_hub.database.write():
            repos.change(repos.by_uid(uid), visibility=Visibility.PRIVATE, gated=None)
            assert repos.by_uid(uid).private
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change()
    assert not repos.by_uid(uid).private


def test_of_many_who_make_the_same_one_does(repos: Repos, opened_hub: LocalHub):
    """
    Made by several at once, a repository exists once, and the others are told.
    """
    outcomes: list[object] = []
    start = threading.Barrier(4)

    def make() -> None:
        start.wait()
        try:
            outcomes.append(repos.create(RepoKind.MODEL, TINY))
        except AlreadyExistsError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    [made] = [outcome for outcome in outcomes if isinstance(outcome, Repo)]
    assert repos.get(RepoKind.MODEL, TINY) == made
    assert list(opened_hub.place.repos.iterdir()) == [repos.git_dir(made)]


def test_kinds_do_not_share_names(repos: Repos):
    """
    A model, a dataset and a Space may have the same name.
    """
    made = [repos.create(kind, TINY, sdk="static") for kind in RepoKind]

    assert [repos.get(kind, TINY) for kind in RepoKind] == made


def test_a_git_repository_is_whole(repos: Repos):
    """
    What is made passes git's own check, and `main` is its head.
    """
    repo = repos.create(RepoKind.SPACE, RepoId("ada", "123"), sdk="docker", author="eve")
    git = repos.git(repo)

    assert git.head.name == "refs/heads/main"
    assert git.head.peel(pygit2.Commit).author.name == "eve"
    check = ["git", "-C", str(repos.git_dir(repo)), "fsck", "--strict"]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0
    assert 'title: "123"\n' in (repos.snapshot(repo).text("README.md") or "")


def test_a_copy_shares_objects_but_not_branches(repos: Repos):
    """
    A copy costs no space, and its branches move on their own.
    """
    repo = repos.create(RepoKind.MODEL, TINY)
    copy = repos.create(RepoKind.MODEL, RepoId("ada", "copy"), copy_of=repo)

    objects = [path for path in (repos.git_dir(copy) / "objects").glob("??/*") if path.is_file()]
    assert objects
    assert {path.stat().st_nlink for path in objects} == {2}
    repos.git(copy).references.delete("refs/heads/main")
    assert repos.snapshot(repo).sha


def test_moves_lead_to_where_it_is_now(repos: Repos):
    """
    Every earlier name leads to the present one; back again under an old name, that is its name.
    """
    repo = repos.create(RepoKind.MODEL, TINY)
    second = repos.move(repo, RepoId("ada", "second"))
    third = repos.move(second, RepoId("ada", "third"))

    for old in ("tiny", "SECOND"):
        with pytest.raises(Moved) as raised:
            repos.find(RepoKind.MODEL, "ada", old)
        assert raised.value.repo == third
    back = repos.move(third, RepoId("ada", "Tiny"))
    assert repos.get(RepoKind.MODEL, TINY) == back
    assert str(back.id) == "ada/Tiny"


def test_only_the_case_of_a_name_may_change(repos: Repos):
    """
    `tiny` becomes `Tiny` without being in its own way.
    """
    repo = repos.create(RepoKind.MODEL, TINY)

    assert str(repos.move(repo, RepoId("ada", "Tiny")).id) == str(repos.get(RepoKind.MODEL, TINY).id)


def test_what_is_deleted_leaves_no_name_behind(repos: Repos, opened_hub: LocalHub):
    """
    Its old names and likes go with it, and its folder.
    """
    repo = repos.create(RepoKind.MODEL, TINY)
    repos.like(repo, "bob")
    repo = repos.move(repo, RepoId("ada", "new"))

    repos.delete(repo)

    for name in ("tiny", "new"):
        with pytest.raises(HubError, match="Repository not found"):
            repos.find(RepoKind.MODEL, "ada", name)
    assert repos.liked_by("bob") == []
    assert list(opened_hub.place.repos.iterdir()) == []
    with pytest.raises(HubError, match="Repository not found"):
        repos.git(repo)


def test_search_is_for_letters_not_patterns(repos: Repos):
    """
    `%` and `_` in a search stand for themselves.
    """
    repos.create(RepoKind.MODEL, RepoId("ada", "a_b"))
    repos.create(RepoKind.MODEL, RepoId("ada", "axb"))

    assert [repo.id.name for repo in repos.list(search="A_B")] == ["a_b"]
    assert repos.list(search="%") == []


def test_the_lock_is_per_repository(repos: Repos):
    """
    While one repository is written to, another can be.
    """
    first = repos.create(RepoKind.MODEL, TINY)
    second = repos.create(RepoKind.DATASET, TINY)
    entered = threading.Event()

    def write() -> None:
        with repos.writing(second):
            entered.set()

    with repos.writing(first):
        thread = threading.Thread(target=write)
        thread.start()
        assert entered.wait(10)
    thread.join()


def test_everything_reaches_the_disk(repos: Repos, monkeypatch: pytest.MonkeyPatch):
    """
    A repository is only said to be made once the disk holds it.
    """
    synced: list[str] = []

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", note)
    repo = repos.create(RepoKind.MODEL, TINY)

    files = {path.name for path in repos.git_dir(repo).rglob("*") if path.is_file()}
    assert files <= set(synced)
