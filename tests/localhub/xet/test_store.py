"""The Xet store keeps what it verified, and nothing else."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.localhub.xet.packing import Described, Xorb, pack, pieces, shard

from spacehand.localhub.errors import HubError
from spacehand.localhub.store.database import Database
from spacehand.localhub.store.objects import SCHEMA, Objects
from spacehand.localhub.store.place import Place
from spacehand.localhub.xet.chunks import Scheme
from spacehand.localhub.xet.shards import ShardFile, Term, parse_shard

REPO = "a-repo"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "hub")
    place.create()
    return place


@pytest.fixture
def objects(place: Place) -> Objects:
    return Objects(place, Database(place.database, [SCHEMA]))


def send(objects: Objects, xorb: Xorb, *, data: bytes | None = None, name: str | None = None) -> bool:
    source = pieces(xorb.data if data is None else data)
    return asyncio.run(objects.xet.receive_xorb(source, name or xorb.hash))


def describe(objects: Objects, *files: Described, repo: str = REPO) -> bool:
    return objects.receive_shard(parse_shard(shard(*files)), repo)


def random_xorb(count: int = 20, scheme: Scheme = Scheme.BYTES4_LZ4) -> Xorb:
    return pack([os.urandom(1000 + number) for number in range(count)], scheme)


@pytest.mark.parametrize("scheme", Scheme)
def test_file_is_put_together_from_any_byte_to_any_byte(objects: Objects, scheme: Scheme) -> None:
    """
    A file of runs of chunks in several xorbs, some twice, is given back whole and in part.
    """
    first, second = random_xorb(scheme=scheme), random_xorb(scheme=scheme)
    send(objects, first)
    send(objects, second)
    file = Described([(first, 3, 9), (second, 0, 20), (first, 3, 4), (first, 0, 20)])
    describe(objects, file)
    content = file.content

    assert b"".join(objects.stream(file.true_sha256)) == content
    for start, end in [(0, 1), (999, 1001), (5000, 40_000), (len(content) - 1, len(content)), (7, 7)]:
        assert b"".join(objects.stream(file.true_sha256, start, end)) == content[start:end]


def test_second_sending_is_told_to_be_known(objects: Objects) -> None:
    """
    A xorb that is here already is not taken in again, and a file that is known is not new.
    """
    xorb = random_xorb()

    assert [send(objects, xorb), send(objects, xorb)] == [True, False]
    assert [describe(objects, Described([(xorb, 0, 9)])) for _ in range(2)] == [True, False]


def test_xorb_under_another_name_is_refused(objects: Objects, place: Place) -> None:
    """
    A xorb whose content does not have the hash in its name is refused, and leaves nothing behind.
    """
    xorb, other = random_xorb(), random_xorb()

    with pytest.raises(HubError, match="hash is") as refused:
        send(objects, xorb, name=other.hash)

    assert refused.value.status == 400
    assert not objects.xet.has_xorb(other.hash)
    assert not [path for path in [*place.incoming.iterdir(), *place.xorbs.rglob("*")] if path.is_file()]


def test_changed_byte_in_a_xorb_is_noticed(objects: Objects) -> None:
    """
    One bit of one chunk is enough for a refusal.
    """
    xorb = random_xorb(scheme=Scheme.NONE)
    damaged = bytearray(xorb.data)
    damaged[500] ^= 1

    with pytest.raises(HubError, match="hash is"):
        send(objects, xorb, data=bytes(damaged))


def test_shard_with_an_unknown_xorb_is_refused(objects: Objects) -> None:
    """
    A shard may only name xorbs that are here.
    """
    with pytest.raises(HubError, match="There is no xorb") as refused:
        describe(objects, Described([(random_xorb(), 0, 2)]))

    assert refused.value.status == 400


def test_false_sha256_is_refused_with_the_whole_shard(objects: Objects) -> None:
    """
    A file that does not have the sha256 it claims is refused, and so is every other file of that shard.
    """
    xorb = random_xorb()
    send(objects, xorb)
    good, bad = Described([(xorb, 0, 5)]), Described([(xorb, 5, 9)], sha256="0" * 64)

    with pytest.raises(HubError, match="sha256 is"):
        describe(objects, good, bad)

    assert not objects.has(good.true_sha256)
    assert not objects.has("0" * 64)


def test_false_sha256_of_a_known_file_is_refused(objects: Objects) -> None:
    """
    A second shard cannot give a known file another sha256.
    """
    xorb = random_xorb()
    send(objects, xorb)
    describe(objects, Described([(xorb, 0, 5)]))

    with pytest.raises(HubError, match="sha256 is"):
        describe(objects, Described([(xorb, 0, 5)], sha256="0" * 64))


def test_missing_sha256_is_computed(objects: Objects) -> None:
    """
    A file whose shard says nothing of its sha256 is found by the true one.
    """
    xorb = random_xorb()
    send(objects, xorb)
    file = Described([(xorb, 2, 9)], without_sha256=True)
    describe(objects, file)

    assert objects.xet_hash(file.true_sha256) == file.hash
    assert objects.size(file.true_sha256) == len(file.content)


def test_knowing_a_xorbs_name_opens_nothing(objects: Objects) -> None:
    """
    A shard must prove that its sender knows the chunks; their xorb's hash alone is no right to them.
    """
    xorb = random_xorb()
    send(objects, xorb)

    with pytest.raises(HubError, match="other hashes"):
        describe(objects, Described([(xorb, 0, 20)], range_hash=bytes(32)), repo="thief")

    assert not objects.holds("thief", Described([(xorb, 0, 20)]).true_sha256)


def test_only_the_repository_that_sent_a_file_holds_it(objects: Objects) -> None:
    """
    A file belongs to the repository it was sent for, until another one gets it, or it is forgotten.
    """
    xorb = random_xorb()
    send(objects, xorb)
    file = Described([(xorb, 0, 3)])
    describe(objects, file)

    assert [objects.holds(repo, file.true_sha256) for repo in (REPO, "other")] == [True, False]


def test_file_larger_than_any_is_refused_before_it_is_hashed(objects: Objects) -> None:
    """
    A small shard that names the same chunks over and over costs nothing.
    """
    term = Term(bytes(32), 64 * 1024 * 1024, 0, 1)
    with pytest.raises(HubError) as refused:
        objects.xet.verify([ShardFile(bytes(32), (term,) * 10_000, None, None)])
    assert (refused.value.status, refused.value.message) == (400, "A file may have 500 GB at most")


def test_empty_file_needs_no_xorb(objects: Objects) -> None:
    """
    A file without chunks is a file all the same.
    """
    empty = Described([])
    describe(objects, empty)

    assert list(objects.stream(empty.true_sha256)) == []
    assert objects.size(empty.true_sha256) == 0


def test_full_disk_is_told_and_cleaned_up(objects: Objects, place: Place) -> None:
    """
    When there is no room the answer is 507, and nothing half-written stays.
    """
    xorb = random_xorb(200)

    with file_size_limit(50_000), pytest.raises(HubError) as refused:
        send(objects, xorb)

    assert (refused.value.status, refused.value.message) == (507, "No space left on device")
    assert not list(place.incoming.iterdir())
    assert send(objects, xorb)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let the system itself refuse files of more than *size* bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
