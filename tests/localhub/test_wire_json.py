"""JSON that clients send."""

from __future__ import annotations

import pytest

from spacehand.localhub import wire_json


def test_json_is_read():
    """
    Values come back as they are, characters beyond the first plane too, however they are written.
    """
    assert wire_json.parse(b'{"a": ["\\ud83d\\ude00", 1, null]}') == {"a": ["\U0001f600", 1, None]}


@pytest.mark.parametrize(
    "text", [b"{", b"[" * 100_000, b'"\\ud800"', b'{"\\uDFFF": 1}', b'"\\ud83dx"', b'"\xed\xa0\x80"']
)
def test_what_nobody_can_keep_is_an_error(text: bytes):
    """
    No JSON, JSON of any depth, and half of a character, however it is written, are all the same error.
    """
    with pytest.raises(ValueError):
        wire_json.parse(text)
