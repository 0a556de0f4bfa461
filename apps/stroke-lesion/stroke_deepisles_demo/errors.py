"""
What this app says no with: one sentence for the person in front of it, and the next step.

    StrokeError
    ├── ImageError        an image cannot be used
    ├── DatasetError      a dataset or a case is not there, or not as it should be
    ├── EngineError       an engine cannot run here, failed, or left nothing behind
    │   └── EngineTimeout it took too long, and was stopped
    └── ProvenanceError   an output that cannot be a prediction: it is the reference itself
"""

from __future__ import annotations


class StrokeError(Exception):
    """Base class; *hint* says what to do next."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint)  # both: it travels from a worker process as its arguments
        self.message, self.hint = message, hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (_again, (type(self), self.message, self.hint))


def _again(kind: type[StrokeError], message: str, hint: str | None) -> StrokeError:
    return kind(message, hint=hint)


class ImageError(StrokeError):
    """An image cannot be used."""


class DatasetError(StrokeError):
    """A dataset or a case is not there, or not as it should be."""


class EngineError(StrokeError):
    """An engine cannot run here, failed, or left nothing behind."""


class EngineTimeout(EngineError):  # noqa: N818 - the word people look for
    """It took too long, and was stopped."""


class ProvenanceError(StrokeError):
    """What an engine left cannot be its prediction."""
