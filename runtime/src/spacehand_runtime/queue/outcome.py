"""What came of a job, kept until it is asked for; whoever asks gets an object or exception of their own."""

from __future__ import annotations

import enum
import sys
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

from spacehand_runtime.errors import JobCancelledError, JobProblem, JobTimeoutError
from spacehand_runtime.queue.payload import Payload


class Outcome(Protocol):
    """Something that came of a job."""

    @property
    def bytes(self) -> int:
        """How much memory it takes."""

    def load(self) -> Any:
        """Return the job's result, made anew, or raise what went wrong."""


@dataclass(frozen=True)
class Result:
    """The job returned something."""

    payload: Payload

    @property
    def bytes(self) -> int:
        return self.payload.bytes

    def load(self) -> Any:
        return self.payload.load(_from_main)


@dataclass(frozen=True)
class Failure:
    """The job did not return: its own exception if it came along, else a *kind* of ours with *message*."""

    kind: type[JobProblem]
    message: str
    hint: str | None = None
    text: str | None = None  # the traceback in the worker
    payload: Payload | None = None
    lost: bool = False  # through no fault of the job that anybody knows: it may be tried again

    @property
    def bytes(self) -> int:
        return self.payload.bytes if self.payload else 0

    @property
    def is_cancelled(self) -> bool:
        """Nobody wanted it any more: nothing went wrong."""
        return self.kind is JobCancelledError

    def load(self) -> Any:
        error: BaseException = self.kind(self.message, hint=self.hint)
        if self.payload is not None:
            try:
                error = self.payload.load(_from_main)
            except Exception:
                error = self.kind(self.message)
        raise error from (_Remote(self.text) if self.text else None)


class Stop(enum.Enum):
    """Why a running job was stopped."""

    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    MEMORY = "memory"

    def outcome(self) -> Failure:
        """Return what came of the job."""
        if self is Stop.TIMEOUT:
            return Failure(JobTimeoutError, "The job took longer than a job may, and was stopped")
        return Failure(JobCancelledError, "The job was cancelled")


class _Remote(Exception):  # noqa: N818 - never raised: the cause shown above the job's exception
    """The traceback in the worker, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _from_main(_module: str, name: str) -> Any:
    return reduce(getattr, name.split("."), sys.modules["__main__"])
