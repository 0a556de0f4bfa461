"""Large files are kept by their sha256, whole and verified, or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import pytest
from tests.localhub.xet.packing import pieces

from spacehand.localhub.errors import HubError
from spacehand.localhub.store.database import Database
from spacehand.localhub.store.objects import SCHEMA, Objects
from spacehand.localhub.store.place import Place

CONTENT = os.urandom(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "hub")
    place.create()
    return place


@pytest.fixture
def objects(place: Place) -> Objects:
    return Objects(place, Database(place.database, [SCHEMA]))


def receive(objects: Objects, content: bytes, sha256: str, size: int) -> None:
    asyncio.run(objects.receive(pieces(content), sha256, size))


def test_file_is_given_back(objects: Objects, tmp_path: Path) -> None:
    """
    A received file is read whole, in part, and as a copy that may be changed.
    """
    receive(objects, CONTENT, SHA256, len(CONTENT))
    objects.write_to(SHA256, tmp_path / "copy")

    assert objects.has(SHA256)
    assert objects.size(SHA256) == len(CONTENT)
    assert b"".join(objects.stream(SHA256, 1_000_000, 2_500_000)) == CONTENT[1_000_000:2_500_000]
    assert (tmp_path / "copy").read_bytes() == CONTENT
    assert objects.xet_hash(SHA256) is None


@pytest.mark.parametrize(
    ("content", "size"),
    [
        pytest.param(CONTENT[:-1], len(CONTENT), id="too short"),
        pytest.param(CONTENT + b"x", len(CONTENT), id="too long"),
        pytest.param(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]), len(CONTENT), id="other bytes"),
    ],
)
def test_other_bytes_than_promised_are_refused(
    objects: Objects, place: Place, content: bytes, size: int
) -> None:
    """
    What does not have the promised size and hash is answered 400, and nothing of it stays.
    """
    with pytest.raises(HubError) as refused:
        receive(objects, content, SHA256, size)

    assert refused.value.status == 400
    assert not objects.has(SHA256)
    assert not list(place.incoming.iterdir())


def test_known_file_is_verified_again(objects: Objects) -> None:
    """
    Who sends a file that is here already must still send its true bytes: that proves he has them.
    """
    receive(objects, CONTENT, SHA256, len(CONTENT))

    with pytest.raises(HubError):
        receive(objects, CONTENT[::-1], SHA256, len(CONTENT))


def test_missing_file_is_told(objects: Objects) -> None:
    """
    Reading a file that is not here is answered 404.
    """
    for read in (objects.size, objects.stream):
        with pytest.raises(HubError, match="no large file"):
            read(SHA256)


def test_copy_of_a_repository_holds_the_same_files(objects: Objects, place: Place) -> None:
    """
    A copied repository holds what its source held; a deleted one holds nothing.
    """
    receive(objects, CONTENT, SHA256, len(CONTENT))
    database = Database(place.database)
    with database.write() as connection:
        objects.hold(connection, "source", SHA256)
        objects.hold_all_of(connection, "copy", "source")
        objects.forget(connection, "source")

    assert [objects.holds(repo, SHA256) for repo in ("source", "copy", "other")] == [False, True, False]


def test_store_keeps_its_name(place: Place, objects: Objects) -> None:
    """
    The store's name is the same after a restart, and another one for another store.
    """
    again = Objects(place, Database(place.database, [SCHEMA]))
    other = Objects(place, Database(place.root / "other.sqlite", [SCHEMA]))

    assert again.store_id == objects.store_id != other.store_id
