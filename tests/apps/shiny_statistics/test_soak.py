"""The soak of the statistics app, for a minute."""

from __future__ import annotations

import pytest
from benchmarks.soak import MOST_BYTES, soak

pytestmark = pytest.mark.slow


def test_ten_people_lose_nothing_while_workers_are_killed():
    """
    No page is lost; an analysis fails only where its process got no more memory, and says so.
    """
    found = soak(60.0, rounds=10, kill_every=15.0, starve_every=50.0)
    assert found.killed
    assert found.starved
    assert found.lost == 0
    assert found.known
    assert not [text for text in found.failed if "needed more memory" not in text]
    assert 0 < found.most_bytes < MOST_BYTES
