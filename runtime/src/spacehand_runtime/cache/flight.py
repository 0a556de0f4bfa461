"""One computation for all who want its result: threads and asyncio tasks of this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from spacehand_runtime.errors import ReentryError

T = TypeVar("T")

# The flights that this thread or task is computing, outermost first; tasks inherit it from their parent.
_around: ContextVar[tuple[Flight[Any], ...]] = ContextVar("spacehand_flights", default=())

# Guards every edge of who waits for whom, in all caches: a circle may lead through several.
_edges = threading.Lock()


class Abandoned(Exception):  # noqa: N818 - a signal between the leader and those who wait
    """The leader was cancelled or interrupted: somebody else has to compute."""


class Flight(Generic[T]):
    """One computation under way."""

    def __init__(self, key: object) -> None:
        self.key = key
        self.future: Future[T] = Future()
        self.spoiled = False  # invalidated while under way: its result is not to be kept
        self.waits_for: list[Flight[Any]] = []

    def wait(self) -> T:
        """
        Block until the leader has landed, and return its result.

        Raises:
            ReentryError: the leader is waiting for us.
            Abandoned: the leader was cancelled.
            Exception: the leader's own; each who waits gets it.
        """
        with self._waiting():
            return self.future.result()

    async def wait_async(self) -> T:
        """Wait as :meth:`wait` does, without holding up the event loop."""
        with self._waiting():
            return await asyncio.shield(asyncio.wrap_future(self.future))

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        ours = _around.get()
        with _edges:
            if any(self._leads_to(flight) for flight in ours):
                msg = f"The computation of `{self.key}` waits for itself"
                raise ReentryError(msg, hint="Compute the inner value under a key of its own")
            for flight in ours:
                flight.waits_for.append(self)
        try:
            yield
        finally:
            with _edges:
                for flight in ours:
                    flight.waits_for.remove(self)

    def _leads_to(self, goal: Flight[Any]) -> bool:
        seen: set[int] = set()
        todo: list[Flight[Any]] = [self]
        while todo:
            flight = todo.pop()
            if flight is goal:
                return True
            if id(flight) not in seen:
                seen.add(id(flight))
                todo += flight.waits_for
        return False


def detach() -> None:
    """Let the running task be nobody's part: what it computes, its parent does not wait for."""
    _around.set(())


class Flights(Generic[T]):
    """The computations under way, by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[object, Flight[T]] = {}

    def join(self, key: object) -> tuple[Flight[T], bool]:
        """Return the flight of *key*, and whether the caller has to lead it (then within :meth:`lead`)."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Flight(key)
            return flight, True

    @contextmanager
    def lead(self, flight: Flight[T]) -> Iterator[None]:
        """
        Compute inside, and call ``flight.future.set_result`` when done.

        An exception goes to all who wait, and on; a cancellation goes on alone, and another one takes over.
        """
        token = _around.set((*_around.get(), flight))
        outcome: BaseException = Abandoned()
        try:
            yield
        except Exception as error:
            outcome = error
            raise
        finally:
            _around.reset(token)
            with self._lock:  # first, so that whoever comes now starts afresh
                self._flights.pop(flight.key, None)
            if not flight.future.done():
                flight.future.set_exception(outcome)

    def abandon(self, flight: Flight[T]) -> None:
        """Give up a *flight* before it began; those who wait take over."""
        with self._lock:
            self._flights.pop(flight.key, None)
        flight.future.set_exception(Abandoned())

    def under_way(self) -> list[Flight[T]]:
        """Return the flights in the air."""
        with self._lock:
            return list(self._flights.values())
