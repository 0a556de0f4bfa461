"""What may be mounted into a Space."""

from __future__ import annotations

import pytest

from spacehand.localhub.errors import HubError
from spacehand.localhub.spaces.volumes import parse_volumes


@pytest.mark.parametrize(
    "volume",
    [
        {"type": "disk", "source": "a/b", "mountPath": "/x"},
        {"type": "model", "source": "ab", "mountPath": "/x"},
        {"type": "model", "source": "a/b", "mountPath": "x"},
        {"type": "model", "source": "a/b", "mountPath": "/"},
        {"type": "model", "source": "a/b"},
        "a/b",
    ],
)
def test_a_volume_that_makes_no_sense_is_refused(volume: object) -> None:
    """
    400 before anything is kept.
    """
    with pytest.raises(HubError) as refusal:
        parse_volumes([volume])
    assert refusal.value.status == 400
