"""What fails for a moment, tried again; and what fails for longer, done in another way."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
Errors = type[BaseException] | tuple[type[BaseException], ...]
When = Errors | Callable[[BaseException], bool]

_log = logging.getLogger("spacehand_runtime.retry")


@dataclass(frozen=True)
class Clock:
    """Time, sleep and chance, as :func:`retry` uses them; tests give others."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


@dataclass(frozen=True)
class _Terms:
    on: When
    attempts: int
    timeout: float | None
    wait: float
    longest: float
    clock: Clock

    def pause(self, error: BaseException, attempt: int, began: float) -> float | None:
        """Return how many seconds to wait after *attempt* failed with *error*; None to let it out."""
        if attempt >= self.attempts or not _matches(self.on, error):
            return None
        # Exponential backoff with full jitter, so that those who failed together do not come back together:
        # https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        pause = min(self.longest, self.wait * 2.0 ** (attempt - 1)) * self.clock.chance()
        if self.timeout is not None and self.clock.now() - began + pause >= self.timeout:
            return None
        _log.info("Attempt %s of %s failed (%s); next in %.1f s", attempt, self.attempts, error, pause)
        return pause

    def left(self, began: float) -> float | None:
        """Return how many seconds are left for an attempt."""
        return None if self.timeout is None else max(0.0, self.timeout - (self.clock.now() - began))


def retry(
    on: When,
    *,
    attempts: int = 3,
    timeout: float | None = 45.0,
    wait: float = 0.5,
    longest: float = 10.0,
    clock: Clock | None = None,
) -> Callable[[F], F]:
    """
    Return a decorator that calls a function again when it fails with *on*: at most *attempts* times in all.

    Between two attempts it waits a random time below *wait* seconds, then below twice that, and so on, up to
    *longest*. No attempt begins later than *timeout* seconds after the first; one of a coroutine function is
    cancelled then. The last exception goes out as it is. *on*: exceptions, or a function that is asked.

    A coroutine function waits without holding up the event loop. A plain function that is called in an event
    loop would hold it up, so there its first exception goes out.
    """
    if attempts < 1 or wait < 0 or longest < 0 or (timeout is not None and timeout <= 0):
        msg = f"Nothing can be tried {attempts} times in {timeout} s, {wait} s apart"
        raise ValueError(msg)
    terms = _Terms(on, attempts, timeout, wait, longest, clock or Clock())

    def decorate(function: F) -> F:
        # Real functions, so that methods can be decorated too.
        def again(*arguments: Any, **named: Any) -> Any:
            return _retried(terms, functools.partial(function, *arguments, **named))

        async def again_async(*arguments: Any, **named: Any) -> Any:
            return await _retried_async(terms, functools.partial(function, *arguments, **named))

        wrapper = again_async if inspect.iscoroutinefunction(function) else again
        return cast("F", functools.update_wrapper(wrapper, function))

    return decorate


@dataclass
class Degrade:
    """
    Does *primary*; when that fails with *on*, *fallback*, and for *rest* seconds *fallback* at once.

    The exception of *fallback* goes out as it is.
    """

    primary: Callable[..., Any]
    fallback: Callable[..., Any]
    on: When = Exception
    rest: float = 30.0
    now: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _calls: int = 0
    _fallbacks: int = 0
    _resting_until: float = -float("inf")

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Return what *primary* or *fallback* returns; something to await if *primary* is a coroutine."""
        if inspect.iscoroutinefunction(self.primary):
            return self._call_async(*arguments, **named)
        if self._begin():
            try:
                return self.primary(*arguments, **named)
            except Exception as error:
                self._failed(error)
        return self.fallback(*arguments, **named)

    def status(self) -> dict[str, Any]:
        """Return how many ``calls`` and ``fallbacks`` there were, and the ``fallback_rate``, from 0 to 1."""
        with self._lock:
            rate = self._fallbacks / self._calls if self._calls else 0.0
            return {
                "calls": self._calls,
                "fallbacks": self._fallbacks,
                "fallback_rate": rate,
                "degraded": self.now() < self._resting_until,
            }

    async def _call_async(self, *arguments: Any, **named: Any) -> Any:
        if self._begin():
            try:
                return await self.primary(*arguments, **named)
            except Exception as error:
                self._failed(error)
        result = self.fallback(*arguments, **named)
        return await result if inspect.isawaitable(result) else result

    def _begin(self) -> bool:
        """Count a call; whether *primary* is to be tried."""
        with self._lock:
            self._calls += 1
            resting = self.now() < self._resting_until
            self._fallbacks += resting
            return not resting

    def _failed(self, error: BaseException) -> None:
        if not _matches(self.on, error):
            raise error
        _log.warning("%s failed (%s); falling back", getattr(self.primary, "__qualname__", "primary"), error)
        with self._lock:
            self._fallbacks += 1
            self._resting_until = self.now() + self.rest


def degrade(
    primary: F, fallback: Callable[..., Any], *, on: When = Exception, rest: float = 30.0, **clock: Any
) -> F:
    """Return a function that does *primary*, or *fallback* while that fails; see :class:`Degrade`."""
    return cast("F", Degrade(primary, fallback, on, rest, **clock))


def _retried(terms: _Terms, call: Callable[[], Any]) -> Any:
    began, attempt = terms.clock.now(), 0
    while True:
        attempt += 1
        try:
            return call()
        except Exception as error:
            pause = terms.pause(error, attempt, began)
            if pause is None or _in_loop():
                raise
        terms.clock.sleep(pause)


async def _retried_async(terms: _Terms, call: Callable[[], Awaitable[Any]]) -> Any:
    began, attempt = terms.clock.now(), 0
    while True:
        attempt += 1
        try:
            return await _within(terms.left(began), call)
        except Exception as error:
            pause = terms.pause(error, attempt, began)
            if pause is None:
                raise
        await terms.clock.sleep_async(pause)


async def _within(seconds: float | None, call: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await asyncio.wait_for(call(), seconds)
    except asyncio.TimeoutError as error:  # before Python 3.11, it is not the one that people know
        if isinstance(error, TimeoutError):
            raise
        raise TimeoutError(*error.args) from error


def _matches(on: When, error: BaseException) -> bool:
    if isinstance(on, type | tuple):
        return isinstance(error, on)
    return on(error)


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    _log.warning("A plain function waits for its next attempt in no event loop; make it `async`")
    return True
