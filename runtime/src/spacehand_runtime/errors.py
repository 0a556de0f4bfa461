"""
What can go wrong in the runtime.

    RuntimeProblem
    ├── UnkeyableError (TypeError)    content_key was given something it would have to guess about
    ├── UncacheableError (TypeError)  a result no codec can store
    ├── ReentryError                  a computation waits, directly or through others, for itself
    ├── SharedFailureError            the computation failed in the process that this one waited for
    ├── RateLimitedError              this client has asked for too much in too little time
    ├── OverloadedError               the server is short of memory, and takes on nothing more for now
    └── QueueProblem                  something about the queue
        ├── QueueFullError            as many jobs wait as may wait
        ├── QueueClosedError          the queue takes no more jobs
        ├── UnsendableError (TypeError)   a function or argument that cannot go to another process
        ├── UnknownJobError (KeyError)    no such job, or it was settled too long ago
        └── JobProblem                the job has no result
            ├── JobCancelledError     somebody cancelled it
            ├── JobFailedError        it failed with an exception that cannot come back as itself
            ├── JobTimeoutError       it took longer than a job may
            ├── MemoryLimitError (MemoryError)  it needed more memory than a job may
            └── WorkerLostError       its worker process died
"""

from __future__ import annotations


class RuntimeProblem(Exception):  # noqa: N818 - the root of the tree, never raised itself
    """Base class: a *message* that says what happened, and a *hint* that says what to do."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{message}. {hint}" if hint else message)
        self.message = message
        self.hint = hint


class UnkeyableError(RuntimeProblem, TypeError):
    """The content of this object is not known, so that no key can stand for it."""


class UncacheableError(RuntimeProblem, TypeError):
    """This result cannot be stored and given back the same."""


class ReentryError(RuntimeProblem):
    """A computation asked for the very result that it is computing: waiting would never end."""


class SharedFailureError(RuntimeProblem):
    """Another process computed this for us, and failed; *message* is what it reported."""


class RateLimitedError(RuntimeProblem):
    """This client has asked too often; *seconds* until it may ask again."""

    def __init__(self, message: str, *, seconds: float, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.seconds = seconds


class OverloadedError(RuntimeProblem):
    """The server is short of memory; what was asked for may be asked for again later."""


class QueueProblem(RuntimeProblem):
    """Base class of what a queue reports."""


class QueueFullError(QueueProblem):
    """As many jobs wait as may wait."""


class QueueClosedError(QueueProblem):
    """The queue was closed."""


class UnsendableError(QueueProblem, TypeError):
    """This function, or one of its arguments, cannot be sent to another process."""


class UnknownJobError(QueueProblem, KeyError):
    """No job has this id, or it was settled so long ago that it is forgotten."""

    __str__ = Exception.__str__  # KeyError would show the quoted text


class JobProblem(QueueProblem):
    """Base class of the reasons why a job has no result, other than an exception of its own."""


class JobCancelledError(JobProblem):
    """The job was cancelled."""


class JobFailedError(JobProblem):
    """The job raised an exception that cannot be sent; *message* is its text."""


class JobTimeoutError(JobProblem):
    """The job took longer than a job may, and was stopped."""


class MemoryLimitError(JobProblem, MemoryError):
    """The job needed more memory than a job may, and was stopped; others were not disturbed."""


class WorkerLostError(JobProblem):
    """The process that computed this job died."""
