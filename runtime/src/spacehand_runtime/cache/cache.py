"""Results that are computed once for all who ask: threads, tasks and processes."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar, cast

from spacehand_runtime.cache import forked
from spacehand_runtime.cache.claim import Claim
from spacehand_runtime.cache.counts import Counts
from spacehand_runtime.cache.disk import Disk
from spacehand_runtime.cache.entry import Entry, Name, Wanted
from spacehand_runtime.cache.flight import Abandoned, Flight, Flights
from spacehand_runtime.cache.memoize import Memoize, Scope, memoize
from spacehand_runtime.cache.memory import Memory
from spacehand_runtime.cache.refresh import Refreshing
from spacehand_runtime.codec.encoded import Encoded, encode
from spacehand_runtime.codec.signed import Signer
from spacehand_runtime.errors import SharedFailureError
from spacehand_runtime.size import byte_size

T = TypeVar("T")

_log = logging.getLogger("spacehand_runtime.cache")
_POLL = 0.02  # seconds between two looks at another process's claim


class Cache:
    """
    Keeps results for *ttl* seconds, the last used *max_bytes* of them in memory.

    With a *directory*, results are also kept there, up to *max_disk_bytes*, and shared with every process
    that names the same directory. For *stale_ttl* seconds after its time, a result is still given, while a
    new one is computed in the background. A result comes back always as the caller's own: containers are
    built anew, arrays and columns are read-only views (copy them to change them).

    What is computed by one is waited for by all others, and its exception goes to each of them, and is not
    kept. Sizes are bytes, or texts like ``200MB``. *lease*: how many seconds another process that shows no
    sign of life is trusted to be computing; a dead one is replaced at once. *compress*: whether what lies in
    the directory is compressed; it takes less room, and longer to read.

    With a *pickle_key*, a secret of at least 16 bytes, results that no codec knows are pickled, and sealed
    with it: a pickle that somebody else put into the directory is never loaded.
    """

    def __init__(
        self,
        max_bytes: int | str = "200MB",
        ttl: float | None = 1800.0,
        directory: str | os.PathLike[str] | None = None,
        *,
        max_disk_bytes: int | str = "2GB",
        stale_ttl: float = 0.0,
        lease: float = 60.0,
        compress: bool = False,
        pickle_key: str | bytes | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._ttl, self._stale_ttl, self._lease, self._now = ttl, stale_ttl, lease, now
        self._memory = Memory(byte_size(max_bytes))
        disk_bytes = byte_size(max_disk_bytes)
        self._disk = None if directory is None else Disk(Path(directory), disk_bytes, compress=compress)
        self._signer = None if pickle_key is None else Signer(pickle_key)
        self._flights: Flights[Entry] = Flights.of(self._disk.home) if self._disk else Flights()
        self._counts = Counts()
        self._refreshing = Refreshing(self._flights, self._counts)
        forked.watch(self)

    def get_or_compute(
        self,
        key: str,
        compute: Callable[[], T],
        *,
        ttl: float | None = -1.0,
        scope: str | None = None,
        tags: Iterable[str] = (),
    ) -> T:
        """
        Return the result called *key*, from ``compute()`` if there is none.

        With a *scope* (a user, say), the result is found again in that scope only. *tags* are names by which
        :meth:`invalidate` finds it. *ttl*: seconds; None for no end; the cache's own if not given.

        Raises:
            ReentryError: ``compute`` asks, itself or through others, for the same result.
            SharedFailureError: another process computed it for us, and failed.
            UncacheableError: the result is of a type that no codec stores.
            Exception: what ``compute`` raised.
        """
        if self._disk is None and (entry := self._memory.get_fresh((scope, key), self._now())) is not None:
            return cast("T", entry.value())
        wanted = self._wanted(key, ttl, scope, tags)
        while True:
            entry = self._find(wanted.name)
            if entry is not None:
                if entry.fresh_until <= self._now():
                    self._refreshing.in_thread(
                        wanted.name, lambda flight: self._lead(wanted, compute, flight)
                    )
                return cast("T", self._hit(entry))
            flight, leading = self._flights.join(wanted.name)
            if leading:
                with self._flights.lead(flight):
                    return self._lead(wanted, compute, flight)
            try:
                entry = flight.wait()
            except Abandoned:
                continue
            return cast("T", self._hit(entry, shared=True))

    async def get_or_compute_async(
        self,
        key: str,
        compute: Callable[[], Awaitable[T]],
        *,
        ttl: float | None = -1.0,
        scope: str | None = None,
        tags: Iterable[str] = (),
    ) -> T:
        """Do as :meth:`get_or_compute` does, for a coroutine function; waiting never blocks the loop."""
        wanted = self._wanted(key, ttl, scope, tags)
        while True:
            entry = await self._find_async(wanted.name)
            if entry is not None:
                if entry.fresh_until <= self._now():
                    self._refreshing.in_task(
                        wanted.name, lambda flight: self._lead_async(wanted, compute, flight)
                    )
                return cast("T", self._hit(entry))
            flight, leading = self._flights.join(wanted.name)
            if leading:
                with self._flights.lead(flight):
                    return await self._lead_async(wanted, compute, flight)
            try:
                entry = await flight.wait_async()
            except Abandoned:
                continue
            return cast("T", self._hit(entry, shared=True))

    def get(self, key: str, default: Any = None, *, scope: str | None = None) -> Any:
        """Return the result called *key* if it is there, stale or fresh, and *default* if not."""
        entry = self._find(self._wanted(key, None, scope, ()).name)
        return default if entry is None else self._hit(entry)

    def put(
        self,
        key: str,
        value: object,
        *,
        ttl: float | None = -1.0,
        scope: str | None = None,
        tags: Iterable[str] = (),
    ) -> None:
        """
        Keep *value* as the result called *key*, in the place of the one that is there.

        Raises:
            UncacheableError: the value is of a type that no codec stores.
        """
        wanted = self._wanted(key, ttl, scope, tags)
        self._spoil(wanted.name)  # what began before is the older result
        self._counts.add("misses")
        self._keep(wanted, value)

    def memoize(
        self,
        *,
        ttl: float | None = -1.0,
        scope: Scope = None,
        tags: Iterable[str] = (),
        secure: bool = False,
    ) -> Memoize:
        """
        Return a decorator that keeps a function's results by its code and the content of its arguments.

        *scope*: a text, or a function that returns the scope of this call, such as the user's name; one that
        returns nothing is an error, never everybody's scope. *secure*: as in :func:`content_key`.
        """
        return memoize(self, ttl=ttl, scope=scope, tags=tuple(tags), secure=secure)

    def invalidate(self, key_or_tag: str, *, scope: str | None = None) -> int:
        """
        Forget the results with this key or tag, in all scopes if none is given; return how many.

        One that is being computed right now, here or in another process, is given to those who wait for it,
        and not kept; who asks from now on gets one that began later.
        """

        def unwanted(name: Name, entry: Entry) -> bool:
            return (name[1] == key_or_tag or key_or_tag in entry.tags) and scope in (None, name[0])

        self._spoil()  # all: their tags are not known yet, and one result too few does no harm
        return self._forget(unwanted)

    def clear(self) -> None:
        """Forget everything, in memory and on disk."""
        self._spoil()
        self._forget(lambda _name, _entry: True)

    def clear_expired(self) -> int:
        """Forget what is past its time, stale time included; return how many results that were."""
        now = self._now()
        return self._forget(lambda _name, entry: entry.good_until <= now)

    def shed(self, amount: int) -> int:
        """
        Drop the results used longest ago from memory until *amount* bytes are free; return the bytes freed.

        Those on disk stay there, and are found again.
        """
        return self._memory.shed(amount)

    def get_stats(self) -> dict[str, Any]:
        """
        Return the counts since the start; ``hit_rate`` is between 0 and 1.

        A miss is a computation begun, or a result put. ``shared_waits`` are the hits that waited for somebody
        else's computation.
        """
        counts = self._counts.with_hit_rate(self._memory.fresh_hits)
        counts |= {
            "items": len(self._memory),
            "bytes": self._memory.bytes,
            "max_bytes": self._memory.max_bytes,
            "evictions": self._memory.evictions,
            "computing": len(self._flights.under_way()),
        }
        if self._disk:
            items, size = self._disk.measure()
            counts |= {"disk_items": items, "disk_bytes": size, "max_disk_bytes": self._disk.max_bytes}
            counts |= {"disk_evictions": self._disk.evictions, "corrupt": self._disk.corrupt}
        return counts

    def _wanted(self, key: str, ttl: float | None, scope: str | None, tags: Iterable[str]) -> Wanted:
        if scope == "":
            msg = "The scope is empty: a result for one user would be everybody's"
            raise ValueError(msg)
        return Wanted((scope, key), self._ttl if ttl is not None and ttl < 0 else ttl, tuple(tags))

    def _hit(self, entry: Entry, *, shared: bool = False) -> Any:
        if shared:
            self._counts.add("hits", "shared_waits")
        elif entry.fresh_until <= self._now():
            self._counts.add("hits", "stale_hits")
        else:
            self._counts.add("hits")
        return entry.value()

    def _find(self, name: Name, *, fresh: bool = False) -> Entry | None:
        entry = self._in_memory(name) or (self._on_disk(name) if self._disk else None)
        if entry is None:
            return None
        if (entry.fresh_until if fresh else entry.good_until) > self._now():
            return entry
        if entry.good_until <= self._now():
            self._memory.drop(name, entry)
            self._counts.add("expired")
        return None

    async def _find_async(self, name: Name, *, fresh: bool = False) -> Entry | None:
        if not self._disk or self._in_memory(name):
            return self._find(name, fresh=fresh)
        return await asyncio.to_thread(self._find, name, fresh=fresh)

    def _in_memory(self, name: Name) -> Entry | None:
        entry = self._memory.get(name)
        if entry is not None and self._disk and entry.file != self._disk.identity(name):
            self._memory.drop(name, entry)  # another process replaced or removed it, or it was damaged
            return None
        return entry

    def _on_disk(self, name: Name) -> Entry | None:
        assert self._disk is not None  # noqa: S101 - for the type checker
        entry = self._disk.read(name)
        if entry is not None:
            self._memory.put(name, entry)
        return entry

    def _lead(self, wanted: Wanted, compute: Callable[[], T], flight: Flight[Entry]) -> T:
        claim = self._disk.claim(wanted.name, self._lease) if self._disk else None
        while claim and not claim.attempt():
            time.sleep(_POLL)
        found = self._claimed(claim, wanted.name)
        if found is not None:
            return cast("T", self._landed(flight, found, "hits"))
        self._counts.add("misses")
        entry = self._computed(claim, wanted, compute, flight)
        return cast("T", self._landed(flight, entry))

    def _computed(
        self, claim: Claim | None, wanted: Wanted, compute: Callable[[], T], flight: Flight[Entry]
    ) -> Entry:
        try:
            entry = self._keep(wanted, compute(), _wanted_still(flight, claim))
        except BaseException as error:
            if claim:
                claim.fail(error)
            raise
        if claim:
            claim.release()
        return entry

    async def _lead_async(
        self, wanted: Wanted, compute: Callable[[], Awaitable[T]], flight: Flight[Entry]
    ) -> T:
        claim = self._disk.claim(wanted.name, self._lease) if self._disk else None
        while claim and not claim.attempt():  # noqa: ASYNC110 - another process cannot set an event
            await asyncio.sleep(_POLL)
        found = self._claimed(claim, wanted.name)
        if found is not None:
            return cast("T", self._landed(flight, found, "hits"))
        self._counts.add("misses")
        try:
            value = await compute()
            still = _wanted_still(flight, claim)
            if self._disk:
                entry = await asyncio.to_thread(self._keep, wanted, value, still)
            else:
                entry = self._keep(wanted, value, still)
        except BaseException as error:
            if claim:
                claim.fail(error)
            raise
        if claim:
            claim.release()
        return cast("T", self._landed(flight, entry))

    def _claimed(self, claim: Claim | None, name: Name) -> Entry | None:
        """Return the result if somebody else came first; else the right to compute it is announced."""
        if claim and (failure := claim.failure()) is not None:
            claim.let_go()
            raise SharedFailureError(failure)
        try:
            found = self._find(name, fresh=True)
            if claim and found is None:
                claim.announce()
        except BaseException:
            if claim:
                claim.let_go()
            raise
        if claim and found is not None:
            claim.release()
        return found

    def _landed(self, flight: Flight[Entry], entry: Entry, count: str | None = None) -> Any:
        if count:
            self._counts.add(count)
        flight.future.set_result(entry)
        return entry.value()

    def _keep(self, wanted: Wanted, value: object, still: Callable[[], bool] = lambda: True) -> Entry:
        """Return *value* as an entry, which is kept if it is *still* wanted, asked after each slow step."""
        encoded = encode(value, self._signer)
        terms = functools.partial(
            Entry.of, now=self._now(), ttl=wanted.ttl, stale_ttl=self._stale_ttl, tags=wanted.tags
        )
        written = None
        if self._disk and still():
            try:
                written = self._disk.write(wanted.name, encoded, terms(Encoded(None, [])))
            except OSError as error:  # full, or gone: the result is still good
                _log.warning("Cannot write to the cache's directory: %s", error)
        entry = written or terms(encoded)
        if still():
            self._memory.put(wanted.name, entry)
        elif self._disk and written and self._disk.identity(wanted.name) == written.file:
            self._disk.remove(wanted.name)
        return entry

    def forget(self) -> None:
        """Let go of what the threads of the parent hold, in a forked child; results stay."""
        for part in (self._flights, self._memory, self._counts, self._disk):
            if part is not None:
                part.forget()

    def _spoil(self, name: Name | None = None) -> None:
        self._flights.spoil(name)
        if self._disk:
            self._disk.disown(name)

    def _forget(self, unwanted: Callable[[Name, Entry], bool]) -> int:
        here = self._memory.drop_where(unwanted)
        return max(here, self._disk.remove_where(unwanted)) if self._disk else here


def _wanted_still(flight: Flight[Entry], claim: Claim | None) -> Callable[[], bool]:
    return lambda: not flight.spoiled and (claim is None or claim.is_ours)
