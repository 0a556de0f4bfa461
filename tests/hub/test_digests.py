"""Files that did not change are not read again, and files that did are never mistaken."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from spacehand.hub.digests import Digest, Digests


def _later() -> int:
    """A clock so far ahead that every file has settled."""
    return time.time_ns() + 10_000_000_000


def test_both_names_are_right(tmp_path: Path):
    """
    The digests are those of sha256sum and of git.
    """
    file = tmp_path / "file"
    file.write_bytes(b"hello\n" * 1000)
    git = subprocess.run(
        ["git", "hash-object", "file"], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    found = Digests().digest(file)

    assert found == Digest.of(file.read_bytes())
    assert (found.size, found.git_oid) == (6000, git.stdout.strip())
    assert found.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_second_look_reads_nothing(tmp_path: Path):
    """
    A file that is as it was costs no read, also in the next process and by another spelling of its path.
    """
    file = tmp_path / "model.bin"
    file.write_bytes(b"weights")
    with Digests(tmp_path / "d.sqlite", now_ns=_later) as digests:
        first = digests.digest(file)
        assert digests.bytes_read == 7

    with Digests(tmp_path / "d.sqlite", now_ns=_later) as digests:
        assert digests.digest(tmp_path / "." / "model.bin") == first
        assert digests.bytes_read == 0


def test_a_change_that_keeps_size_and_mtime_is_seen(tmp_path: Path):
    """
    A file written over with as many bytes and its old mtime put back is read again.
    """
    file = tmp_path / "model.bin"
    file.write_bytes(b"weights")
    before = file.stat()
    digests = Digests(now_ns=_later)
    digests.digest(file)
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # until the file system's clock has ticked
        file.write_bytes(b"WEIGHTS")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert digests.sha256(file) == hashlib.sha256(b"WEIGHTS").hexdigest()


def test_a_file_written_just_now_is_not_remembered(tmp_path: Path):
    """
    Within a tick of the last write another write would leave no trace, so the file is read again.
    """
    file = tmp_path / "model.bin"
    file.write_bytes(b"weights")
    digests = Digests()

    digests.digest(file)
    digests.digest(file)

    assert digests.bytes_read == 14


def test_a_broken_memory_is_replaced(tmp_path: Path):
    """
    A memory that is no sqlite file costs a read and nothing else.
    """
    (tmp_path / "d.sqlite").write_bytes(b"not a database" * 100)
    (tmp_path / "file").write_bytes(b"x")

    with Digests(tmp_path / "d.sqlite") as digests:
        assert digests.sha256(tmp_path / "file") == hashlib.sha256(b"x").hexdigest()


def test_names_that_are_no_text(tmp_path: Path):
    """
    A file name that is not UTF-8 is remembered like any other.
    """
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    try:
        file.write_bytes(b"x")
    except OSError:
        pytest.skip("this file system wants UTF-8 names")
    digests = Digests(now_ns=_later)

    assert digests.digest(file) == digests.digest(file)
    assert digests.bytes_read == 1


def test_reading_tells_how_far_it_is(tmp_path: Path):
    """
    The pieces told while reading add up to the file.
    """
    file = tmp_path / "model.bin"
    file.write_bytes(b"\0" * (9 << 20))
    pieces: list[int] = []

    Digests().digest(file, progress=pieces.append)

    assert sum(pieces) == 9 << 20
    assert len(pieces) > 1
