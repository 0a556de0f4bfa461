"""Xet's hashes, beside values that other implementations give."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spacehand.localhub.xet.merkle import NO_CONTENT, file_hash, from_text, to_text, xorb_hash


@given(digest=st.binary(min_size=32, max_size=32))
def test_text_names_one_hash(digest: bytes) -> None:
    """
    A hash written as text is read back the same.
    """
    assert from_text(to_text(digest)) == digest


def test_text_reverses_groups_of_eight() -> None:
    """
    Text has the bytes of each group of eight in reverse order, as the protocol wants it.
    """
    assert to_text(bytes(range(32))).startswith("07060504030201000f0e0d0c0b0a0908")


def test_no_chunks_have_the_empty_hash() -> None:
    """
    Without chunks, xorb and file alike have the hash of zeros.
    """
    assert xorb_hash([]) == file_hash([]) == NO_CONTENT


def test_order_and_size_of_chunks_matter() -> None:
    """
    The same chunks in another order, or with another size, are another xorb.
    """
    chunks = [(bytes([number]) * 32, 10 + number) for number in range(40)]
    other_size = [*chunks[:-1], (chunks[-1][0], 1)]

    hashes = {xorb_hash(chunks), xorb_hash(chunks[::-1]), xorb_hash(other_size), xorb_hash(chunks[:-1])}

    assert len(hashes) == 4
