"""Visits: who is here now, how long they stay, and how many different people came in a day."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict, deque

_DAY = 86400.0  # seconds
_MANY = 100_000  # visits and users that a day is counted by; beyond, the oldest are forgotten


class Sessions:
    """
    The sessions of an app, at most *window* open ones told apart; times are seconds on any one clock.

    A user is kept as a hash with a salt that never leaves this process, for a day: the number of different
    users can be told from it, and nobody's name. Not safe for threads: :class:`Metrics` holds its lock.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._salt = secrets.token_bytes(16)
        self._open: OrderedDict[str, float] = OrderedDict()  # session -> when it began
        self._begun: deque[float] = deque(maxlen=_MANY)  # when sessions began, within the last day
        self._users: OrderedDict[bytes, float] = OrderedDict()  # hash -> when last seen, oldest first
        self._closed, self._closed_seconds = 0, 0.0

    def began(self, session: str, user: str | None, now: float) -> None:
        """Count a *session* from *now* on."""
        self._open.setdefault(session, now)
        self._begun.append(now)
        if len(self._open) > self._window:
            self._open.popitem(last=False)
        if user:
            name = hashlib.blake2b(user.encode("utf-8", "replace"), key=self._salt, digest_size=12).digest()
            self._users.pop(name, None)
            self._users[name] = now
            if len(self._users) > _MANY:
                self._users.popitem(last=False)

    def ended(self, session: str, now: float) -> None:
        """End *session*; one that never began is ignored."""
        began = self._open.pop(session, None)
        if began is not None:
            self._closed += 1
            self._closed_seconds += now - began

    def snapshot(self, now: float) -> dict[str, float]:
        """Return how many are open, began within a day, of how many users, and the mean seconds of one."""
        while self._begun and self._begun[0] < now - _DAY:
            self._begun.popleft()
        while self._users and next(iter(self._users.values())) < now - _DAY:
            self._users.popitem(last=False)
        return {
            "active": len(self._open),
            "today": len(self._begun),
            "users_today": len(self._users),
            "mean_s": round(self._closed_seconds / self._closed, 3) if self._closed else 0.0,
        }
