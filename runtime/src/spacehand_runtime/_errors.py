"""
What can go wrong in the runtime.

    RuntimeProblem
    ├── UnkeyableError (TypeError)    content_key was given something it would have to guess about
    ├── UncacheableError (TypeError)  a result no codec can store
    ├── ReentryError                  a computation waits, directly or through others, for itself
    └── SharedFailureError            the computation failed in the process that this one waited for
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
