"""No header lies unseen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.model import make

from spacehand.errors import ModelError
from spacehand.model import safetensors_header


def _one(**entry: object) -> bytes:
    described = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **entry}
    return json.dumps({"a": described}).encode()


def _two(first: list[int], second: list[int]) -> bytes:
    return json.dumps(
        {
            "a": {"dtype": "U8", "shape": [first[1] - first[0]], "data_offsets": first},
            "b": {"dtype": "U8", "shape": [second[1] - second[0]], "data_offsets": second},
        }
    ).encode()


@pytest.mark.parametrize(
    ("header", "data", "said"),
    [
        (b"not json", 8, "is not JSON"),
        (b"\xff\xfe", 8, "is not JSON"),
        (b"[]", 8, "no JSON object"),
        (b"[" * 60_000, 8, "is not JSON"),
        (b"{}", 0, "holds no tensor"),
        (_one(), 4, "is cut off: its header promises 8 bytes of weights, there are 4"),
        (_one(), 9, "1 bytes after its last tensor"),
        (_one(shape=[3]), 8, "which its shape and type contradict"),
        (_one(shape=[-2]), 8, "in no way the format knows"),
        (_one(shape="2"), 8, "in no way the format knows"),
        (_one(data_offsets=[8, 0]), 8, "which its shape and type contradict"),
        (_one(data_offsets=[0]), 8, "in no way the format knows"),
        (_one(dtype=7), 8, "in no way the format knows"),
        (_two([0, 4], [2, 6]), 6, "overlaps another"),
        (_two([0, 4], [5, 6]), 6, "leaves a hole before it"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: bytes, data: int, said: str):
    """
    Whatever in a header contradicts the format, or the file it is in, is an error that names the file.
    """
    file = make.raw_safetensors(tmp_path / "model.safetensors", header, bytes(data))

    with pytest.raises(ModelError) as raised:
        safetensors_header.read(file)

    assert said in str(raised.value)
    assert "`model.safetensors`" in str(raised.value)
    assert raised.value.hint


@pytest.mark.parametrize(
    "content", [b"", b"\x01\x02", (1 << 60).to_bytes(8, "little") + b"{}", b"PK\x03\x04" * 9]
)
def test_a_file_cut_off_in_its_header_is_refused(tmp_path: Path, content: bytes):
    """
    A length that goes beyond the file is noticed before anything is read.
    """
    (tmp_path / "model.safetensors").write_bytes(content)

    with pytest.raises(ModelError, match="is cut off, or no safetensors file"):
        safetensors_header.read(tmp_path / "model.safetensors")


def test_a_header_as_large_as_a_disk_is_not_read(tmp_path: Path):
    """
    A header beyond the format's limit is refused, although the (sparse) file has room for it.
    """
    file = tmp_path / "model.safetensors"
    with file.open("wb") as stream:
        stream.write((1 << 33).to_bytes(8, "little"))
        stream.truncate(1 << 34)

    with pytest.raises(ModelError, match="the format allows 100000000"):
        safetensors_header.read(file)


def test_a_type_of_tomorrow_is_let_through(tmp_path: Path):
    """
    A type that the format got after this release is no error.
    """
    file = make.raw_safetensors(tmp_path / "model.safetensors", _one(dtype="F8_E9M9"), bytes(8))

    assert safetensors_header.read(file).tensors[0].dtype == "F8_E9M9"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 300), flip=st.integers(0, 300), bit=st.integers(0, 7))
def test_damage_is_an_error_or_harmless(tmp_path: Path, cut: int, flip: int, bit: int):
    """
    A file that was cut or has a flipped bit is read, or refused with a ModelError; nothing else happens.
    """
    content = bytearray(make.safetensors(tmp_path / "whole.safetensors").read_bytes())
    content[flip % len(content)] ^= 1 << bit
    file = tmp_path / "model.safetensors"
    file.write_bytes(bytes(content[: len(content) - cut]) if cut < len(content) else b"")

    try:
        found = safetensors_header.read(file)
    except ModelError as error:
        found, said = None, str(error)

    assert found.tensors if found else "`model.safetensors`" in said
