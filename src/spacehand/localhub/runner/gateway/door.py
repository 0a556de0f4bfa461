"""What answers behind one Space's door, and who of several is asked."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spacehand.localhub.runner.address import Address, FolderAddress
from spacehand.localhub.runner.gateway.calls import Calls
from spacehand.localhub.runner.gateway.static_site import StaticSite
from spacehand.localhub.runner.gateway.upstream import Upstream

if TYPE_CHECKING:
    from spacehand.localhub.runner.gateway.visitor import Visitor

_turns = itertools.count(1)


@dataclass(eq=False)
class Answerer:
    """One address that answers, or answered until just now, for a Space."""

    address: Address
    headers: tuple[tuple[bytes, bytes], ...] = ()  # custom_headers of the card
    in_flight: int = 0
    retired: bool = False
    turn: int = 0  # when it was last given to somebody, counted over all Spaces
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.idle.set()
        self.app = (
            StaticSite(self.address) if isinstance(self.address, FolderAddress) else Upstream(self.address)
        )
        # As long as the app lives its address stays, also under the next Hub: so do its visitors.
        self.name = hashlib.sha256(str(self.address).encode()).hexdigest()[:16]

    async def __aenter__(self) -> Answerer:
        self.in_flight += 1
        self.idle.clear()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.in_flight -= 1
        if not self.in_flight:
            self.idle.set()
            if self.retired:
                await self.app.close()


@dataclass
class Door:
    """What the gateway knows of one Space."""

    answerers: list[Answerer] = field(default_factory=list)
    is_wide: bool = False  # there are, or may come to be, several who answer: visitors are told apart
    calls: Calls = field(default_factory=Calls)
    last_request: float | None = None  # unix time
    waking: asyncio.Task[None] | None = None

    def take(
        self, addresses: Sequence[Address], headers: tuple[tuple[bytes, bytes], ...], *, is_wide: bool
    ) -> list[Answerer]:
        """Let *addresses* answer from now on, and return those that did and do not any more."""
        before = self.answerers
        kept = {str(one.address): one for one in before if one.headers == headers}
        self.answerers = [kept.get(str(address)) or Answerer(address, headers) for address in addresses]
        self.is_wide = is_wide or len(addresses) > 1
        return [one for one in before if one not in self.answerers]

    def choose(self, visitor: Visitor | None, but: Collection[Answerer] = ()) -> Answerer | None:
        """
        Return who answers *visitor*, None where nobody is left but those in *but*.

        That is whom the visitor's cookie names; for a session without cookies one that stays the same while
        the set does (rendezvous hashing, Thaler and Ravishankar 1998: https://doi.org/10.1109/90.663936),
        and else who has least to do, in turn.
        """
        able = [one for one in self.answerers if one not in but]
        if len(able) < 2 or visitor is None:
            return min(able, key=_burden, default=None)
        for one in able:
            if one.name == visitor.given:
                return one
        if session := visitor.session:
            return max(able, key=lambda one: hashlib.sha256(f"{session} {one.name}".encode()).digest())
        chosen = min(able, key=_burden)
        chosen.turn = next(_turns)
        return chosen


def _burden(answerer: Answerer) -> tuple[int, int]:
    return answerer.in_flight, answerer.turn
