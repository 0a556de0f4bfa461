"""Chunks: what was packed comes back, and what was tampered with is refused."""

from __future__ import annotations

import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.localhub.xet.packing import pack

from spacehand.localhub.errors import HubError
from spacehand.localhub.xet.chunks import ChunkTable, Decoder, Scheme, XorbReader, encode

HELLO = lz4.frame.compress(b"hello")
CONTENTS = st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=6)


def read(data: bytes, *, step: int = 1000) -> tuple[ChunkTable, bytes]:
    kept = bytearray()
    reader = XorbReader(kept.extend)
    for start in range(0, len(data), step):
        reader.write(data[start : start + step])
    return reader.finish(), bytes(kept)


def header(*, version: int = 0, stored: int = 5, scheme: int = 0, size: int = 5) -> bytes:
    return bytes([version]) + stored.to_bytes(3, "little") + bytes([scheme]) + size.to_bytes(3, "little")


@settings(deadline=None)  # the first example imports numpy
@given(contents=CONTENTS, scheme=st.sampled_from(Scheme), step=st.integers(1, 400))
def test_chunks_come_back_as_they_were(contents: list[bytes], scheme: Scheme, step: int) -> None:
    """
    Whatever content, scheme and pieces it arrives in, every chunk is found and gives back its bytes.
    """
    data = b"".join(encode(content, scheme) for content in contents)

    table, kept = read(data, step=step)

    assert kept == data
    assert list(table.sizes) == [len(content) for content in contents]
    assert [bytes(content) for content in Decoder().all(memoryview(data))] == contents


@given(contents=CONTENTS)
def test_table_survives_the_database(contents: list[bytes]) -> None:
    """
    A table written to the database is read back the same.
    """
    table = pack(contents).table

    assert ChunkTable.from_bytes(table.to_bytes()) == table


def test_footer_is_dropped() -> None:
    """
    What a client appends behind the chunks is not kept, in however small pieces it arrives.
    """
    data = encode(b"hello", Scheme.NONE)

    table, kept = read(data + b"XETBLOB" + bytes(50), step=3)

    assert (len(table), kept) == (1, data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(encode(b"hello", Scheme.NONE)[:-1], id="cut off"),
        pytest.param(encode(b"hello", Scheme.NONE) + b"XETFLOB", id="false footer"),
        pytest.param(encode(b"hello", Scheme.NONE) + b"XET", id="footer cut off"),
        pytest.param(header(version=1) + b"hello", id="unknown version"),
        pytest.param(header(scheme=3) + b"hello", id="unknown scheme"),
        pytest.param(header(size=6) + b"hello", id="larger than it is"),
        pytest.param(header(size=0) + b"hello", id="no content"),
        pytest.param(header(size=128 * 1024 + 1) + b"hello", id="too large"),
        pytest.param(header(stored=400_000) + bytes(400_000), id="stored too large"),
        pytest.param(header(scheme=1) + b"hello", id="not LZ4"),
        pytest.param(header(stored=len(HELLO) + 1, scheme=1) + HELLO + b"x", id="trailing bytes"),
    ],
)
def test_what_is_no_xorb_is_refused(data: bytes) -> None:
    """
    A damaged or hostile xorb is answered 400, never kept.
    """
    with pytest.raises(HubError) as refused:
        read(data)

    assert refused.value.status == 400


def test_bomb_is_not_blown_up() -> None:
    """
    A payload that would decompress to far more than its header says is refused.
    """
    payload = lz4.frame.compress(bytes(50_000_000))[:250_000]

    with pytest.raises(HubError, match=r"not one whole LZ4 frame|bytes where"):
        read(header(stored=len(payload), scheme=1, size=100) + payload)


def test_too_many_chunks_are_refused() -> None:
    """
    A xorb has at most 8,192 chunks.
    """
    with pytest.raises(HubError, match="8192"):
        read(encode(b"x", Scheme.NONE) * 8193, step=10_000)
