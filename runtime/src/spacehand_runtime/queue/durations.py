"""How long jobs take, learnt from those that are done."""

from __future__ import annotations

_NEWEST = 0.3  # the weight of the newest duration in a mean; older ones fade


class Durations:
    """Fading means, in seconds: of each function, and of all together."""

    def __init__(self) -> None:
        self.mean: float | None = None
        self._means: dict[str, float] = {}

    def learn(self, function: str, seconds: float) -> None:
        """Take into account that *function* took so many *seconds* this time."""
        self._means[function] = _moved(self._means.get(function), seconds)
        self.mean = _moved(self.mean, seconds)

    def of(self, function: str) -> float | None:
        """Return how long *function* takes; None if it was never done."""
        return self._means.get(function)


def _moved(mean: float | None, newest: float) -> float:
    return newest if mean is None else mean + _NEWEST * (newest - mean)
