"""The ways in which a Hub can fail on request."""

from __future__ import annotations

from enum import StrEnum

# Texts of huggingface.co, as its users have reported them.
NO_CAPACITY = "Scheduling failure: unable to schedule"
EVICTED = "Workload evicted, storage limit exceeded ({disk}G)"
PAYMENT = "Payment required: hosting this Space needs a PRO account or prepaid credits"
TOO_MANY = "You have reached the rate limit of this Hub: too many requests"
UNAVAILABLE = "Service Unavailable"


class FaultKind(StrEnum):
    """One way to fail, spelled as it is on the command line."""

    SLOW_BUILD = "slow-build"
    STUCK_START = "stuck-start"
    STALE_PAUSED = "stale-paused"
    NO_CAPACITY = "no-capacity"
    STORAGE_LIMIT = "storage-limit"
    EMPTY_BUILD_LOG = "empty-build-log"
    DEAD_PORT = "dead-port"
    UNAVAILABLE = "unavailable"
    PAYMENT = "payment"
    RATE_LIMIT = "rate-limit"

    @property
    def sentence(self) -> str:
        """What happens, for people; ``{seconds}`` stands for the fault's own."""
        return _SENTENCES[self]

    @property
    def seconds(self) -> float | None:
        """The seconds it takes unless others are given; None where it has none."""
        return _SECONDS.get(self)


_SENTENCES = {
    FaultKind.SLOW_BUILD: "Builds begin {seconds:g} s late, at the stage BUILDING",
    FaultKind.STUCK_START: "Apps are never started: the stage stays at APP_STARTING",
    FaultKind.STALE_PAUSED: "A restart is accepted and does nothing: a paused Space stays PAUSED",
    FaultKind.NO_CAPACITY: "No machine is found for an app: RUNTIME_ERROR, “Scheduling failure”",
    FaultKind.STORAGE_LIMIT: "Apps are evicted when they start: RUNTIME_ERROR, “storage limit exceeded”",
    FaultKind.EMPTY_BUILD_LOG: "Builds end in BUILD_ERROR with an empty log and no reason",
    FaultKind.DEAD_PORT: "The stage is RUNNING, but nobody answers at the app's port: 503",
    FaultKind.UNAVAILABLE: "The Hub's API answers 503",
    FaultKind.PAYMENT: "New Spaces that run, and paid hardware, are answered 402",
    FaultKind.RATE_LIMIT: "The Hub's API answers 429, and asks to come back in {seconds:g} s",
}
_SECONDS = {FaultKind.SLOW_BUILD: 60.0, FaultKind.RATE_LIMIT: 10.0}
