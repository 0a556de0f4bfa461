"""Short-lived permissions that travel in a URL or as a token: what they allow is written inside, sealed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.fernet import InvalidToken

from spacehand.localhub.errors import HubError
from spacehand.localhub.store.keys import Keys


class Grants:
    """Makes and opens permissions with the Hub's key; they survive its restart."""

    def __init__(self, keys: Keys, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._clock = clock

    def give(self, purpose: str, facts: Mapping[str, str | int], *, seconds: int) -> tuple[str, int]:
        """Return a permission for *purpose*, and the time (Unix) at which it ends."""
        expires = int(self._clock()) + seconds
        sealed = self._keys.encrypt(json.dumps({"for": purpose, "until": expires, **facts}))
        return sealed.decode(), expires

    def check(self, purposes: str | tuple[str, ...], permission: str) -> dict[str, Any]:
        """
        Return the facts in *permission*, which must be for one of *purposes*.

        Raises:
            HubError: 403, it is false, too old, or for something else.
        """
        try:
            facts: dict[str, Any] = json.loads(self._keys.decrypt(permission.encode()))
        except (InvalidToken, ValueError):
            raise HubError(403, "This address or token is not valid") from None
        if facts.get("for") not in ((purposes,) if isinstance(purposes, str) else purposes):
            raise HubError(403, "This address or token is for something else")
        if facts["until"] < self._clock():
            raise HubError(403, "This address or token has expired; ask for a new one")
        return facts
