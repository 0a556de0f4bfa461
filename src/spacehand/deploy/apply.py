"""Then do: the short loop that carries out a plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spacehand.deploy.steps import CreateSpace, PushFiles, SetSecret, Step
from spacehand.hub._protocol import Commit, Hub
from spacehand.progress import Progress, Report, silent


@dataclass(frozen=True, slots=True)
class Applied:
    """One step that is done, and the commit it made, if it made one."""

    step: Step
    commit: Commit | None


def apply(steps: Sequence[Step], hub: Hub, report: Report = silent) -> Iterator[Applied]:
    """
    Do *steps* one after the other, yielding each once it is done.

    A step that fails ends it: what was yielded is done, what was not is not. Running the same deploy again
    plans anew from what is there, so nothing is done twice.

    Raises:
        ConflictError: somebody pushed to the Space since the plan was made; nothing was overwritten.
        ConfigError: a secret cannot be read; it was not set.
    """
    for step in steps:
        yield Applied(step, _do(step, hub, report))


def _do(step: Step, hub: Hub, report: Report) -> Commit | None:
    """
    Tell of *step*, and do it.

    Secrets are read first: what nobody can begin is not told as begun. They are gone when this returns.
    """
    request = step.request() if isinstance(step, (CreateSpace, SetSecret)) else step.apply
    phase = "upload" if isinstance(step, PushFiles) else "settings"
    report(Progress(phase, _sentence(step.describe())))
    return request(hub)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
