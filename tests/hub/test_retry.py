from __future__ import annotations

import pytest

from spacehand.errors import HubUnreachableError, PaymentError
from spacehand.hub.retry import CurableError, Patience, retried


class Flaky:
    """Fails as often as it is told, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def test_what_time_can_cure_is_tried_again() -> None:
    """Pauses grow, with chance in them so that callers do not come back all at once."""
    slept: list[float] = []
    call = Flaky(*[CurableError(HubUnreachableError("503"))] * 3)

    assert retried(call, sleep=slept.append, chance=lambda: 1.0) == "answer"
    assert slept == [0.5, 1.0, 2.0]


def test_patience_ends_with_the_real_error() -> None:
    """After the last try the caller sees what the Hub said, not our own word for it."""
    call = Flaky(*[CurableError(HubUnreachableError("503"))] * 9)

    with pytest.raises(HubUnreachableError, match="503"):
        retried(call, patience=Patience(tries=3), sleep=lambda _: None)
    assert call.calls == 3


def test_what_no_retry_can_cure_is_not_tried_again() -> None:
    """A refusal stays a refusal."""
    call = Flaky(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        retried(call, sleep=lambda _: None)
    assert call.calls == 1


def test_the_pause_the_hub_asks_for_is_kept() -> None:
    """Retry-After wins over our own pause; one that is too long is told instead of slept."""
    slept: list[float] = []
    assert retried(Flaky(CurableError(PaymentError("429"), after=7)), sleep=slept.append) == "answer"
    assert slept == [7]

    with pytest.raises(PaymentError):
        retried(Flaky(CurableError(PaymentError("429"), after=3600)), sleep=slept.append)
    assert slept == [7]
