from __future__ import annotations

import pytest

from spacehand.errors import (
    AuthError,
    ConfigError,
    ConflictError,
    DiskFullError,
    HubUnreachableError,
    NotFoundError,
    PaymentError,
    QuotaError,
)
from spacehand.hub.refusal import asked_pause, refusal, unreachable


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ConfigError),
        (401, AuthError),
        (402, PaymentError),
        (403, AuthError),
        (404, NotFoundError),
        (409, ConflictError),
        (412, ConflictError),
        (429, QuotaError),
        (500, HubUnreachableError),
        (503, HubUnreachableError),
        (507, DiskFullError),
    ],
)
def test_every_status_has_an_error_of_its_own(status: int, expected: type[Exception]) -> None:
    """The exit code follows from the status, and the Hub's own words are kept."""
    error = refusal(status, "its words", headers={}, where="ada/demo", endpoint="https://huggingface.co")

    assert type(error) is expected
    assert error.where == "ada/demo"
    assert error.hint or status == 400


def test_a_402_lists_the_ways_on() -> None:
    """Somebody who may not create a Space learns all four routes, and that the local Hub is free."""
    hint = refusal(402, "pay", headers={}, where="x", endpoint="https://huggingface.co").hint or ""

    for word in ("static", "zero-a10g", "PRO", "cpu-upgrade", "$0.03", "--to local"):
        assert word in hint


def test_a_full_disk_is_known_by_its_words_too() -> None:
    """Some servers answer 500 with `No space left on device`."""
    error = refusal(500, "No space left on device", headers={}, where="x", endpoint="http://127.0.0.1:7870")
    assert isinstance(error, DiskFullError)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "12"}, 12),
        ({"RateLimit": '"api";r=0;t=55'}, 56),
        ({"RateLimit": '"api";r=10;t=55'}, None),  # not the reason
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
    ],
)
def test_the_pause_is_read_from_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    """Both spellings of `come back later` are understood."""
    assert asked_pause(headers) == seconds


def test_nobody_at_a_local_address_is_told_how_to_start_one() -> None:
    """The hint for this machine is a command; for another it is not."""
    assert "spacehand hub serve --detach" in str(unreachable("http://127.0.0.1:7870", "refused").hint)
    assert "spacehand hub serve" not in str(unreachable("https://huggingface.co", "refused").hint)
