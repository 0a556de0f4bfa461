"""Trying again, and doing it in another way."""

import asyncio
import inspect
from typing import Any

import pytest

from spacehand_runtime import degrade, retry
from spacehand_runtime.attempts import Clock


class Time:
    """A clock that stands still but for sleep; chance is always the most."""

    def __init__(self) -> None:
        self.time = 100.0
        self.slept: list[float] = []
        self.clock = Clock(lambda: self.time, self.sleep, self.sleep_async, lambda: 1.0)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


class Service:
    """Fails so many times, then answers; each call takes *seconds* of *time*."""

    def __init__(
        self, failures: int, error: type[Exception] = ConnectionError, time: Time | None = None
    ) -> None:
        self.failures, self.error, self.time, self.calls = failures, error, time, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.time:
            self.time.time += 10.0
        if self.calls <= self.failures:
            raise self.error(f"call {self.calls}")
        return "answer"


def test_what_fails_for_a_moment_is_tried_again():
    """
    The waiting doubles from attempt to attempt, up to the longest.
    """
    time, service = Time(), Service(4)

    ask = retry(ConnectionError, attempts=5, wait=1.0, longest=3.0, clock=time.clock)(service)

    assert ask() == "answer"
    assert time.slept == [1.0, 2.0, 3.0, 3.0]


def test_a_coroutine_is_tried_again():
    """
    A coroutine function stays one, and waits in the loop's own way.
    """
    time, service = Time(), Service(2)

    @retry(ConnectionError, clock=time.clock)
    async def ask() -> str:
        return service()

    assert inspect.iscoroutinefunction(ask)
    assert asyncio.run(ask()) == "answer"
    assert time.slept == [0.5, 1.0]


def test_the_last_exception_goes_out():
    """
    After the last attempt the function's own exception is seen, and there is no waiting for nothing.
    """
    time, service = Time(), Service(9)

    with pytest.raises(ConnectionError, match="call 2"):
        retry(ConnectionError, attempts=2, clock=time.clock)(service)()
    assert time.slept == [0.5]


def test_other_exceptions_go_out_at_once():
    """
    What was not named is not tried again, whether named by type or by a question.
    """
    service = Service(1, KeyError)
    with pytest.raises(KeyError):
        retry((ConnectionError, OSError))(service)()

    with pytest.raises(KeyError):
        retry(lambda error: "busy" in str(error))(service.__class__(1, KeyError))()
    assert service.calls == 1


def test_no_attempt_begins_after_the_time_is_up():
    """
    The time limit is for all attempts together.
    """
    time = Time()
    service = Service(9, time=time)

    with pytest.raises(ConnectionError, match="call 3"):
        retry(ConnectionError, attempts=9, timeout=31.5, clock=time.clock)(service)()


def test_an_attempt_of_a_coroutine_is_cancelled_when_the_time_is_up():
    """
    A coroutine that hangs does not hang for longer than the time limit.
    """
    cancelled: list[bool] = []

    @retry(ConnectionError, timeout=0.02)
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with pytest.raises(TimeoutError):
        asyncio.run(hang())
    assert cancelled == [True]


def test_a_plain_function_never_holds_up_the_loop():
    """
    In an event loop a plain function's first exception goes out instead of a wait that stops everybody.
    """
    time, service = Time(), Service(1)
    ask = retry(ConnectionError, clock=time.clock)(service)

    async def page() -> None:
        ask()

    with pytest.raises(ConnectionError):
        asyncio.run(page())
    assert time.slept == []


def test_waiting_is_spread_by_chance():
    """
    Those who failed together do not come back together.
    """
    pauses = set()
    for _ in range(5):
        time = Time()
        clock = Clock(time.clock.now, time.sleep)
        retry(ConnectionError, clock=clock)(Service(1))()
        pauses |= set(time.slept)

    assert len(pauses) == 5
    assert max(pauses) <= 0.5


def test_a_method_is_tried_again():
    """
    A decorated method gets its object, and keeps its name.
    """

    class Client:
        calls = 0

        @retry(ConnectionError, wait=0.0)
        def ask(self, word: str) -> str:
            self.calls += 1
            if self.calls == 1:
                raise ConnectionError
            return word

    assert Client().ask("yes") == "yes"
    assert Client.ask.__name__ == "ask"


def test_terms_that_mean_nothing_are_refused():
    """
    No attempts at all is a mistake at the start.
    """
    with pytest.raises(ValueError, match="tried 0 times"):
        retry(OSError, attempts=0)


def test_a_fallback_takes_over_and_the_primary_rests():
    """
    After a failure the fallback answers at once for a while; then the primary is tried again.
    """
    time, service = Time(), Service(1)
    ask: Any = degrade(service, lambda: "less", rest=30.0, now=time.clock.now)

    assert [ask(), ask()] == ["less", "less"]
    assert service.calls == 1
    assert ask.status() == {"calls": 2, "fallbacks": 2, "fallback_rate": 1.0, "degraded": True}
    time.time += 31.0
    assert ask() == "answer"
    assert not ask.status()["degraded"]
    assert 0.0 <= ask.status()["fallback_rate"] <= 1.0


def test_a_coroutine_may_fall_back_to_a_plain_function():
    """
    An asynchronous primary and any kind of fallback go together.
    """

    async def primary(number: int) -> int:
        raise OSError

    async def other(number: int) -> int:
        return number + 1

    assert asyncio.run(degrade(primary, lambda number: number)(3)) == 3
    assert asyncio.run(degrade(primary, other)(3)) == 4


def test_a_fallback_is_not_for_mistakes():
    """
    An exception that was not named goes out, and degrades nothing.
    """
    ask: Any = degrade(Service(1, KeyError), lambda: "less", on=OSError)

    with pytest.raises(KeyError):
        ask()
    assert ask.status()["fallbacks"] == 0
