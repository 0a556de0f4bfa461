import threading
from pathlib import Path

import pygit2
import pytest

from spacehand.ids import RepoId, RepoKind
from spacehand.localhub.commits.pack import Pack
from spacehand.localhub.git import upkeep
from spacehand.localhub.repos.store import SCHEMA, Repo, Repos
from spacehand.localhub.store.database import Database
from spacehand.localhub.store.objects import SCHEMA as OBJECTS
from spacehand.localhub.store.objects import Objects
from spacehand.localhub.store.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.create()
    return place


def packs(git_dir: Path) -> int:
    return len(list((git_dir / "objects" / "pack").glob("*.pack")))


def publish(git_dir: Path, content: bytes) -> str:
    with Pack(git_dir) as pack:
        name = pack.add("blob", content)
        pack.publish()
    return name


def test_many_packs_become_few_and_nothing_is_lost(tmp_path: Path) -> None:
    """Packing together keeps every object, also those that no branch names, while others read."""
    git_dir = tmp_path / "repo.git"
    pygit2.init_repository(str(git_dir), bare=True)
    names = [publish(git_dir, b"%d" % number) for number in range(40)]
    done, failures = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            git = pygit2.Repository(str(git_dir))
            failures.extend(name for number, name in enumerate(names) if git[name].data != b"%d" % number)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        upkeep.pack_together(git_dir)
    finally:
        done.set()
        reader.join()

    assert failures == []
    assert packs(git_dir) == 1
    git = pygit2.Repository(str(git_dir))
    assert [git[name].data for name in names] == [b"%d" % number for number in range(40)]


def test_packing_starts_by_itself(place: Place) -> None:
    """After many commits a repository is packed together in the background."""
    database = Database(place.database, [SCHEMA, OBJECTS])
    repos = Repos(database, place, Objects(place, database))
    repo: Repo = repos.create(RepoKind.MODEL, RepoId("ada", "demo"), author="ada")
    git_dir = repos.git_dir(repo)
    keeper = upkeep.Upkeep(repos)
    for number in range(31):
        publish(git_dir, b"%d" % number)
    keeper.pushed(repo, "main", "")
    assert packs(git_dir) == 31

    publish(git_dir, b"last")
    keeper.pushed(repo, "main", "")
    for thread in threading.enumerate():
        if thread.name == upkeep.THREAD:
            thread.join()

    assert packs(git_dir) == 1


def test_sweeping_unlocks_branches(place: Place) -> None:
    """Locks and half-written packs of a killed Hub are gone, everything else stays."""
    git_dir = place.repos / "some.git"
    pygit2.init_repository(str(git_dir), bare=True)
    kept = publish(git_dir, b"kept")
    left = [
        git_dir / "packed-refs.lock",
        git_dir / "refs/heads/a/b.lock",
        git_dir / "objects/pack/tmp_pack_x",
    ]
    for file in left:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()

    quarantine = git_dir / "objects/tmp_objdir-incoming-x"
    (quarantine / "pack").mkdir(parents=True)

    upkeep.sweep(place)

    assert not quarantine.exists()
    assert [file for file in left if file.exists()] == []
    assert pygit2.Repository(str(git_dir))[kept].data == b"kept"
