"""
What this app says no with; every message is meant for the person in front of the page.

    AppError
    ├── SettingsError        an environment variable of the Space is wrong
    ├── WeightsError         the model could not be fetched, or is not what it should be
    ├── AudioError           the recording cannot be used
    ├── LanguageError        the model does not know the language
    ├── TooSlowError         the time for one request is up
    └── TooManyError         this client has to wait
"""

from __future__ import annotations


class AppError(Exception):
    """Base class: shown to the visitor as it is."""


class SettingsError(AppError):
    """An environment variable of the Space is wrong."""


class WeightsError(AppError):
    """The model could not be fetched, or no engine here can run it; no other model is served instead."""


class AudioError(AppError):
    """The recording is missing, broken, silent or too long."""


class LanguageError(AppError):
    """The model does not know the language."""


class TooSlowError(AppError):
    """The time for one request is up."""


class TooManyError(AppError):
    """This client asked too often; *wait* is in seconds."""

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.wait = wait
