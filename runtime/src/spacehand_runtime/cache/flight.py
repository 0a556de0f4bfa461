"""One computation for all who want its result: threads and asyncio tasks of this process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from spacehand_runtime.errors import ReentryError

T = TypeVar("T")

# The flights that this thread or task is computing, outermost first; tasks inherit it from their parent.
_around: ContextVar[tuple[Flight[Any], ...]] = ContextVar("spacehand_flights", default=())

# By where they keep their results: two caches of one folder must not wait for each other's lock files.
_shared: WeakValueDictionary[object, Flights[Any]] = WeakValueDictionary()

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
        self.loop: asyncio.AbstractEventLoop | None = None  # where its leader is a task of

    def wait(self) -> T:
        """
        Block until the leader has landed, and return its result.

        Raises:
            ReentryError: the leader is waiting for us, or for the event loop that we would hold up.
            Abandoned: the leader was cancelled.
            Exception: the leader's own; each who waits gets it.
        """
        with self._waiting(_running_loop()):
            return self.future.result()

    async def wait_async(self) -> T:
        """Wait as :meth:`wait` does, without holding up the event loop."""
        with self._waiting():
            return await asyncio.shield(asyncio.wrap_future(self.future))

    @contextmanager
    def _waiting(self, held_up: asyncio.AbstractEventLoop | None = None) -> Iterator[None]:
        ours = _around.get()
        with _edges:
            ahead = self._ahead()
            if any(flight in ahead for flight in ours):
                msg = f"The computation of `{self.key}` waits for itself"
                raise ReentryError(msg, hint="Compute the inner value under a key of its own")
            if held_up and any(flight.loop is held_up for flight in ahead):
                msg = f"A task of this event loop computes `{self.key}`, and waiting would hold up the loop"
                raise ReentryError(msg, hint="Use `await cache.get_or_compute_async(...)` in coroutines")
            for flight in ours:
                flight.waits_for.append(self)
        try:
            yield
        finally:
            with _edges:
                for flight in ours:
                    flight.waits_for.remove(self)

    def _ahead(self) -> set[Flight[Any]]:
        """Return what has to land before this one can, itself included."""
        seen: set[Flight[Any]] = set()
        todo: list[Flight[Any]] = [self]
        while todo:
            flight = todo.pop()
            if flight not in seen:
                seen.add(flight)
                todo += flight.waits_for
        return seen


def detach() -> None:
    """Let the running task be nobody's part: what it computes, its parent does not wait for."""
    _around.set(())


class Flights(Generic[T]):
    """The computations under way, by key."""

    @classmethod
    def of(cls, place: object) -> Flights[T]:
        """Return those that all in this process share who keep their results in the same *place*."""
        with _edges:
            flights = _shared.get(place)
            if flights is None:
                flights = _shared[place] = cls()
            return flights

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
        flight.loop = _running_loop()
        outcome: BaseException = Abandoned()
        try:
            yield
        except Exception as error:
            outcome = error
            raise
        finally:
            _around.reset(token)
            self._remove(flight)  # first, so that whoever comes now starts afresh
            if not flight.future.done():
                flight.future.set_exception(outcome)

    def abandon(self, flight: Flight[T]) -> None:
        """Give up a *flight* before it began; those who wait take over."""
        self._remove(flight)
        flight.future.set_exception(Abandoned())

    def spoil(self, key: object | None = None) -> None:
        """Let nobody join the flight of *key*, or any, from now on, and its result not be kept."""
        with self._lock:
            for flight in [self._flights.get(key)] if key is not None else list(self._flights.values()):
                if flight is not None:
                    flight.spoiled = True
                    del self._flights[flight.key]

    def under_way(self) -> list[Flight[T]]:
        """Return the flights in the air."""
        with self._lock:
            return list(self._flights.values())

    def forget(self) -> None:
        """Begin with none, in a forked child: their leaders are threads of the parent."""
        self._lock = threading.Lock()
        self._flights = {}

    def _remove(self, flight: Flight[T]) -> None:
        with self._lock:
            if self._flights.get(flight.key) is flight:  # not one that began after this was spoiled
                del self._flights[flight.key]


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _after_fork() -> None:
    global _edges
    _edges = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
