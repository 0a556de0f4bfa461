"""Times as clients read them."""

from __future__ import annotations

import pytest

from spacehand.localhub.wire_time import from_unix


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1_700_000_000.1239, "2023-11-14T22:13:20.123Z"),
        (2**53 / 1000 * 1000, "9999-12-31T23:59:59.000Z"),
        (-(2.0**53), "1000-01-01T00:00:00.000Z"),
    ],
)
def test_every_time_a_file_may_have_is_told(seconds: float, text: str):
    """
    What lies outside of the years that clients read is told as the nearest time they do.
    """
    assert from_unix(seconds) == text
