"""What runs jobs: processes of this machine, or a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from spacehand_runtime.container import Container
from spacehand_runtime.queue.outcome import Outcome, Stop
from spacehand_runtime.size import byte_size

_SHARE = 0.8  # of this container's memory, for all jobs together if nobody says how much one may take


class Runner(Protocol):
    """Where one work at a time is done."""

    @property
    def alive(self) -> bool:
        """It can take work."""

    def reserve(self) -> None:
        """Get ready for :meth:`run`: from now on, :meth:`stop` is meant for what it will do."""

    def run(self, call: Any, report: Callable[[float, str], None]) -> Outcome:
        """Return what came of *call*; ``report(fraction, text)`` is called meanwhile."""

    def stop(self, why: Stop) -> None:
        """End what runs, if something does; ``run`` then returns."""

    def hang_up(self) -> None:
        """Take no more work."""


class Engine(Protocol):
    """Makes runners, and ends them."""

    def pack(self, function: Callable[..., object], arguments: tuple[object, ...]) -> Any:
        """Return the call in a form that does not change any more."""

    def runner(self) -> Runner:
        """Return something that runs one job at a time."""

    def close(self) -> None:
        """End everything that runs."""

    def forget(self) -> None:
        """Let go of what belongs to the parent of this process."""


def engine_called(name: str, workers: int, memory: int | str | None, preload: Sequence[str]) -> Engine:
    """
    Return the engine called *name*; ``memory="auto"`` is an equal part of this container for each worker.

    Raises:
        ValueError: there is none.
    """
    if name == "process":
        from spacehand_runtime.queue.process.engine import ProcessEngine

        return ProcessEngine(memory=_limit(memory, workers), preload=preload)
    if name == "ray":
        from spacehand_runtime.queue.ray import RayEngine

        return RayEngine(workers=workers, memory=None if memory == "auto" else _limit(memory, workers))
    msg = f"There is no engine `{name}`: choose `process` or `ray`"
    raise ValueError(msg)


def _limit(memory: int | str | None, workers: int) -> int | None:
    if memory != "auto":
        return None if memory is None else byte_size(memory)
    bounds = Container().bounds()
    return int(bounds[0].limit * _SHARE / workers) if bounds else None
