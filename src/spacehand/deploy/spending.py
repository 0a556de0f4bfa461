"""What a deploy changes that costs money: made after the proof, taken back first when something fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spacehand.errors import SpacehandError
from spacehand.hub._protocol import Hub
from spacehand.ids import RepoId
from spacehand.progress import Progress, Report


@dataclass
class Spending:
    """How *space* was before its hardware and its replicas were changed."""

    hub: Hub
    space: RepoId
    report: Report
    moved_from: str | None = None  # the hardware before, once it was changed
    scaled_from: int | None = None  # the number of replicas before, once it was

    def take_back(self) -> list[str]:
        """Undo what was changed, and return what to tell of it, also when that did not work."""
        told = []
        if (replicas := self.scaled_from) is not None:
            number = "1 replica" if replicas == 1 else f"{replicas} replicas"
            told.append(self._undo(f"at {number}", lambda: self.hub.set_replicas(self.space, replicas)))
        if (flavor := self.moved_from) is not None:
            told.append(self._undo(f"on `{flavor}`", lambda: self.hub.set_hardware(self.space, flavor, None)))
        return told

    def _undo(self, where: str, change: Callable[[], None]) -> str:
        self.report(Progress("rollback", f"Bringing it back {where}"))
        try:
            change()
        except SpacehandError as refused:
            return f"It could NOT be brought back {where}: {refused.message}. It costs money"
        return f"The Space is back {where}"
