"""Results that are past their time, computed anew behind those who are given the old ones."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from spacehand_runtime.cache.counts import Counts
from spacehand_runtime.cache.entry import Entry, Name
from spacehand_runtime.cache.flight import Flight, Flights, detach

_log = logging.getLogger("spacehand_runtime.cache")

Lead = Callable[[Flight[Entry]], Any]
LeadAsync = Callable[[Flight[Entry]], Awaitable[Any]]


class Refreshing:
    """Leads one flight at a time for each name; a failure is counted and logged, as nobody waits for it."""

    def __init__(self, flights: Flights[Entry], counts: Counts) -> None:
        self._flights, self._counts = flights, counts
        self._tasks: set[asyncio.Task[None]] = set()

    def in_thread(self, name: Name, lead: Lead) -> None:
        """Start to *lead* the flight of *name* in a thread, unless somebody does."""
        flight, leading = self._flights.join(name)
        if leading:
            work = threading.Thread(target=self._run, args=(name, flight, lead), daemon=True)
            try:
                work.start()
            except RuntimeError:  # no more threads, or the interpreter ends: the old result serves on
                self._flights.abandon(flight)

    def in_task(self, name: Name, lead: LeadAsync) -> None:
        """Start to *lead* the flight of *name* in a task of the running loop, unless somebody does."""
        flight, leading = self._flights.join(name)
        if leading:
            task = asyncio.get_running_loop().create_task(self._run_async(name, flight, lead))
            self._tasks.add(task)  # the loop itself keeps no reference
            task.add_done_callback(self._tasks.discard)

    def _run(self, name: Name, flight: Flight[Entry], lead: Lead) -> None:
        self._counts.add("refreshes")
        try:
            with self._flights.lead(flight):
                lead(flight)
        except Exception:
            self._failed(name)

    async def _run_async(self, name: Name, flight: Flight[Entry], lead: LeadAsync) -> None:
        self._counts.add("refreshes")
        detach()
        try:
            with self._flights.lead(flight):
                await lead(flight)
        except Exception:
            self._failed(name)

    def _failed(self, name: Name) -> None:
        _log.warning("Refreshing `%s` failed; the old result serves on", name[1], exc_info=True)
        self._counts.add("refresh_failures")
