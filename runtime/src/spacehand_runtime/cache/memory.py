"""The memory tier: results by measured bytes, the one asked for longest ago dropped first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from spacehand_runtime.cache.entry import Entry, Name


class Memory:
    """At most *max_bytes* of entries; all methods may be called from any thread."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self.evictions = 0
        self.fresh_hits = 0
        self._entries: OrderedDict[Name, Entry] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, name: Name) -> Entry | None:
        """Return the entry called *name*, which is now the one used last."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None:
                self._entries.move_to_end(name)
            return entry

    def get_fresh(self, name: Name, now: float) -> Entry | None:
        """Return the entry called *name* if it is fresh, and count a hit: the short way, for the many."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or entry.fresh_until <= now:
                return None
            self._entries.move_to_end(name)
            self.fresh_hits += 1
            return entry

    def put(self, name: Name, entry: Entry) -> None:
        """Keep *entry*, and drop others until it fits; one that can never fit is not kept."""
        with self._lock:
            self._remove(name)
            if entry.bytes > self.max_bytes:
                return
            while self.bytes + entry.bytes > self.max_bytes:
                self._remove(next(iter(self._entries)))
                self.evictions += 1
            self._entries[name] = entry
            self.bytes += entry.bytes

    def shed(self, amount: int) -> int:
        """Forget the entries asked for longest ago until *amount* bytes are free; return the bytes freed."""
        with self._lock:
            before = self.bytes
            while self._entries and before - self.bytes < amount:
                self._remove(next(iter(self._entries)))
                self.evictions += 1
            return before - self.bytes

    def drop(self, name: Name, entry: Entry) -> None:
        """Forget *entry*, unless another has taken its place."""
        with self._lock:
            if self._entries.get(name) is entry:
                self._remove(name)

    def drop_where(self, unwanted: Callable[[Name, Entry], bool]) -> int:
        """Forget each entry that is *unwanted*; return how many."""
        with self._lock:
            names = [name for name, entry in self._entries.items() if unwanted(name, entry)]
            for name in names:
                self._remove(name)
            return len(names)

    def forget(self) -> None:
        """Begin with a lock of our own, in a forked child; what a thread of the parent had half done goes."""
        torn, self._lock = self._lock.locked(), threading.Lock()
        if torn:
            self._entries.clear()
            self.bytes = 0

    def _remove(self, name: Name) -> None:
        entry = self._entries.pop(name, None)
        if entry is not None:
            self.bytes -= entry.bytes
