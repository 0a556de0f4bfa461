"""Shards are read strictly: nothing outside of them, nothing of another kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.localhub.xet.packing import Described, pack, shard

from spacehand.localhub.errors import HubError
from spacehand.localhub.xet.shards import parse_shard

XORB = pack([b"one", b"two", b"three"])
FILES = (Described([(XORB, 0, 3)]), Described([(XORB, 1, 2), (XORB, 0, 1)], without_sha256=True))
SHARD = shard(*FILES)


def test_files_are_read_as_described() -> None:
    """
    Every file comes with its runs of chunks, its proofs and its sha256.
    """
    first, second = parse_shard(SHARD)

    assert first.sha256 == FILES[0].true_sha256
    assert first.terms == (XORB.term(0, 3),)
    assert (second.sha256, second.size) == (None, 6)
    assert second.terms == (XORB.term(1, 2), XORB.term(0, 1))
    assert second.range_hashes is not None
    assert len(second.range_hashes) == 2


@given(length=st.integers(0, len(SHARD) - 49))
def test_cut_off_shard_is_refused(length: int) -> None:
    """
    A shard that ends too early is answered 400, wherever it was cut.
    """
    with pytest.raises(HubError) as refused:
        parse_shard(SHARD[:length])

    assert refused.value.status == 400


@given(noise=st.binary(max_size=500))
def test_noise_is_refused(noise: bytes) -> None:
    """
    Bytes that are no shard are answered 400.
    """
    with pytest.raises(HubError):
        parse_shard(noise)


@pytest.mark.parametrize("version", [1, 3])
def test_other_version_is_refused(version: int) -> None:
    """
    A shard of another version is not guessed at.
    """
    with pytest.raises(HubError, match="version 2"):
        parse_shard(SHARD[:32] + bytes([version]) + SHARD[33:])
