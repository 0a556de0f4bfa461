"""The right to compute, where lock files fail."""

import os
import time

import pytest

from spacehand_runtime import Cache
from spacehand_runtime.cache import claim
from spacehand_runtime.cache.claim import Claim, sweep


def test_where_no_file_can_be_made_everybody_computes(tmp_path, caplog):
    """
    A folder that is gone, or a full disk, costs the sharing, not the answer.
    """
    cache = Cache(directory=tmp_path)
    for path in sorted((tmp_path / "spacehand-cache-1").rglob("*"), reverse=True):
        path.rmdir()

    assert cache.get_or_compute("key", lambda: 7) == 7
    assert "without regard to other processes" in caplog.text


def test_where_nothing_can_be_written_a_failure_is_still_itself(tmp_path, monkeypatch):
    """
    The disk being full is not what the caller is told.
    """

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(claim.os, "pwrite", full)
    cache = Cache(directory=tmp_path)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_compute("key", lambda: 1 / 0)


def test_a_claim_begins_when_it_is_got(tmp_path):
    """
    A file that a failure left there long ago does not make a new owner look dead.
    """
    path = tmp_path / "claim"
    path.touch()
    os.utime(path, (1, 1))
    ours, theirs = Claim(path, lease=60), Claim(path, lease=60)

    assert ours.attempt()
    assert not theirs.attempt()
    assert ours.is_ours
    ours.release()


def test_failures_do_not_pile_up(tmp_path):
    """
    A note for those who waited goes when it is old; a new one stays for them.
    """
    for name, age in (("old", 100), ("new", 0)):
        failed = Claim(tmp_path / name, lease=60)
        assert failed.attempt()
        failed.announce()
        failed.fail(ValueError("no such patient"))
        os.utime(tmp_path / name, (time.time() - age,) * 2)

    sweep(tmp_path, older_than=60)

    assert [path.name for path in tmp_path.iterdir()] == ["new"]
