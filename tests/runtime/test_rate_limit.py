"""How often one client may ask."""

import threading

import pytest

from spacehand_runtime import RateLimit, RateLimitedError


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time


def test_a_client_gets_its_amount_and_then_waits():
    """
    *amount* uses pass at once; the next is told how long to wait, and passes after exactly that.
    """
    clock = Clock()
    limit = RateLimit(3, 60, now=clock.now)

    assert [limit.take("ann") for _ in range(3)] == [0.0, 0.0, 0.0]
    wait = limit.take("ann")
    assert wait == pytest.approx(20)
    clock.time += wait
    assert limit.take("ann") == 0.0
    assert limit.take("ann") > 0


def test_being_refused_costs_nothing():
    """
    A client that keeps asking while it has to wait is not punished with a longer wait.
    """
    clock = Clock()
    limit = RateLimit(1, 10, now=clock.now)
    limit.take("ann")

    waits = [limit.take("ann") for _ in range(5)]

    assert waits == pytest.approx([10] * 5)


def test_clients_do_not_share_a_bucket():
    """
    One client's haste is not another's delay.
    """
    limit = RateLimit(1, 60, now=Clock().now)
    limit.take("ann")

    assert limit.take("bob") == 0.0


def test_silent_clients_are_forgotten_first():
    """
    Memory is bounded: at most *clients* are remembered, the most recent ones.
    """
    limit = RateLimit(1, 60, clients=2, now=Clock().now)
    for client in ("ann", "bob", "ann", "cid"):
        limit.take(client)

    assert limit.remembered == 2
    assert limit.take("ann") > 0
    assert limit.take("bob") == 0.0


def test_threads_get_no_more_than_the_amount_together():
    """
    Under 8 threads exactly *amount* uses pass.
    """
    limit = RateLimit(50, 3600)
    passed: list[float] = []

    def ask() -> None:
        passed.extend(wait for _ in range(50) if not (wait := limit.take("ann")))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(passed) == 50


@pytest.mark.parametrize(
    ("text", "amount", "seconds"),
    [
        ("20/min", 20, 60),
        ("100 per hour", 100, 3600),
        ("5/s", 5, 1),
        (" 3 / Minutes ", 3, 60),
        ("9/d", 9, 86400),
    ],
)
def test_a_rate_is_read_from_words(text, amount, seconds):
    """
    The usual ways to write a rate are understood.
    """
    limit = RateLimit.parse(text)

    assert limit is not None
    assert (limit.amount, limit.seconds) == (amount, seconds)


@pytest.mark.parametrize("text", ["", "0", "off", " None "])
def test_no_rate_means_no_limit(text):
    """
    `off` is None, which callers test for.
    """
    assert RateLimit.parse(text) is None


@pytest.mark.parametrize("text", ["fast", "20", "-3/min", "0/min", "20/fortnight", "1.5/min"])
def test_nonsense_is_refused(text):
    """
    A rate that means nothing is an error, never a limit that nobody asked for.
    """
    with pytest.raises(ValueError):
        RateLimit.parse(text)


def test_a_limit_is_true_even_before_anybody_came():
    """
    `if limit:` asks whether there is a limit, not whether somebody used it.
    """
    assert RateLimit(1, 60)


def test_refusing_tells_the_user_how_long():
    """
    A refusal has a message for the user, the seconds to wait, and is counted.
    """
    limit = RateLimit(1, 60, now=lambda: 0.0)
    assert limit.status()["refused_rate"] == 0.0
    limit.admit("ada")

    with pytest.raises(
        RateLimitedError, match=r"At most 1 in 60 s are possible\. Try again in 60 s"
    ) as caught:
        limit.admit("ada")
    assert caught.value.seconds == 60.0
    assert limit.status() == {"allowed": 1, "refused": 1, "refused_rate": 0.5}
