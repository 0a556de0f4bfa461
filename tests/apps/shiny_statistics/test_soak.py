"""The soak of the statistics app, for five minutes."""

from __future__ import annotations

import pytest
from benchmarks.soak import MOST_BYTES, MOST_ERRORS, soak

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_ten_people_lose_nothing_while_workers_are_killed():
    """
    No page is lost; fewer than 0.5 % of the analyses fail, and only where a process got no more memory.
    """
    found = soak(300.0)
    assert found.killed
    assert found.starved
    assert found.lost == 0
    assert found.known
    assert found.error_rate < MOST_ERRORS
    assert not [text for text in found.failed if "needed more memory" not in text or text.count("Try") != 1]
    first, last = found.server_growth
    assert last - first < 50_000_000  # bytes; what its open pages have been told is not kept
    assert 0 < found.most_bytes < MOST_BYTES
