"""One app's way into its Space's log, which it may share with the app that takes over from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacehand.localhub.runner.logs import SpaceLog


class Nowhere:
    """Takes output that nobody wants any more."""

    mark = ""

    def __call__(self, _text: str, _mark: str = "", /) -> None:
        return


@dataclass(frozen=True, slots=True)
class Outlet:
    """The output of *source*, a name that no other app of the Space has."""

    log: SpaceLog
    source: str

    @property
    def mark(self) -> str:
        """How far the app's output is in the log, by the engine's own count; empty when nothing is."""
        return self.log.mark(self.source)

    def __call__(self, text: str, mark: str = "", /) -> None:
        """Write *text*; *mark* gets into the log with its last line, or neither does."""
        self.log.write(text, source=self.source, mark=mark)
