"""The faults of a Hub that runs, seen from outside: how commands switch them."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from spacehand.errors import HubUnreachableError, NotFoundError, UsageError

if TYPE_CHECKING:
    from spacehand.localhub.server import Running

_PATH = "/api/spacehand/faults"
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class FaultDesk:
    """Asks *running*, as its owner."""

    running: Running

    def all(self) -> list[dict[str, Any]]:
        """Return the faults that are on, as `wire.fault` tells them."""
        found: list[dict[str, Any]] = self._ask("GET", _PATH)
        return found

    def add(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """
        Switch a fault on, and return it with its ``id``.

        Raises:
            UsageError: the Hub cannot make it out.
        """
        added: dict[str, Any] = self._ask("POST", _PATH, wanted)
        return added

    def remove(self, identity: str) -> None:
        """
        Switch one off.

        Raises:
            NotFoundError: there is none with that id.
        """
        self._ask("DELETE", f"{_PATH}/{quote(identity, safe='')}")

    def clear(self) -> int:
        """Switch all off, and return how many there were."""
        return int(self._ask("DELETE", _PATH)["removed"])

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        address = urlsplit(self.running.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_SECONDS)
        headers = {"Authorization": f"Bearer {self.running.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            said = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise HubUnreachableError(
                f"The local Hub does not answer: {error}", where=self.running.url
            ) from error
        finally:
            connection.close()
        if answer.status == 404:
            raise NotFoundError(said["error"], where=self.running.url, hint="See `spacehand hub fault list`")
        if answer.status >= 400:
            raise UsageError(
                said["error"], where=self.running.url, hint="See `spacehand hub fault add --help`"
            )
        return said
