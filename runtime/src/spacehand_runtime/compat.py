"""
The cache of older apps, under its name and with its calls, on top of :class:`Cache`.

    from spacehand_runtime.compat import COMPUTATION_CACHE

    if (result := COMPUTATION_CACHE.get("cox", data=data)) is None:
        COMPUTATION_CACHE.set("cox", result := cox(data), data=data)

What differs is what was wrong: the key is all the content of the arguments, a result is the caller's own, and
the bound is bytes beside the number of items.
"""

from __future__ import annotations

import threading
from typing import Any

from spacehand_runtime.cache.cache import Cache
from spacehand_runtime.key.content import content_key

__all__ = ["COMPUTATION_CACHE", "ComputationCache"]

_ABSENT = object()


class ComputationCache:
    """
    Keeps at most *max_cache_size* results, and at most *max_bytes* of them, for *ttl_seconds*.

    All users share them: put what tells users apart among the arguments, or better, move to
    :meth:`Cache.memoize` with its ``scope=``.
    """

    def __init__(
        self, ttl_seconds: float = 1800, max_cache_size: int = 50, *, max_bytes: int | str = "200MB"
    ) -> None:
        self.ttl_seconds, self.max_cache_size = ttl_seconds, max_cache_size
        self.cache = Cache(max_bytes, ttl_seconds)
        self._lock = threading.Lock()
        self._hits = self._misses = 0

    def get(self, func_name: str, **kwargs: object) -> Any:
        """
        Return what was set for this function and these arguments; None if it is not there.

        Raises:
            UnkeyableError: an argument is of a type whose content is not known.
        """
        found = self.cache.get(content_key(func_name, _in_order(kwargs)), _ABSENT)
        with self._lock:
            if found is _ABSENT:
                self._misses += 1
                return None
            self._hits += 1
            return found

    def set(self, func_name: str, result: object, **kwargs: object) -> None:
        """
        Keep *result* for this function and these arguments.

        Raises:
            UnkeyableError: an argument is of a type whose content is not known.
            UncacheableError: the result is of a type that no codec stores.
        """
        self.cache.put(content_key(func_name, _in_order(kwargs)), result)
        while self.cache.get_stats()["items"] > self.max_cache_size:
            self.cache.shed(1)

    def clear(self) -> None:
        """Forget all results, and start counting anew."""
        self.cache.clear()
        with self._lock:
            self._hits = self._misses = 0

    def clear_expired(self) -> int:
        """Forget the results past their time; return how many they were."""
        return self.cache.clear_expired()

    def get_stats(self) -> dict[str, Any]:
        """Return the counts under their older names; ``hit_rate`` is a text from ``0.0%`` to ``100.0%``."""
        with self._lock:
            hits, total = self._hits, self._hits + self._misses
        return {
            "cached_items": self.cache.get_stats()["items"],
            "max_size": self.max_cache_size,
            "hits": hits,
            "misses": total - hits,
            "hit_rate": f"{100 * hits / total if total else 0:.1f}%",
            "ttl_seconds": self.ttl_seconds,
            "total_requests": total,
        }


def _in_order(kwargs: dict[str, object]) -> list[tuple[str, object]]:
    """Return named arguments sorted by name: the order in which a call spells them does not matter."""
    return sorted(kwargs.items(), key=lambda pair: pair[0])


COMPUTATION_CACHE = ComputationCache()
