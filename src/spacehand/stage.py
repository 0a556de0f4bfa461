"""A Space's stages and the questions people ask about them."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """
    A Space's stage, spelled as the Hub spells it.

    Source: ``SpaceStage`` of huggingface_hub 2.4.0, and ``SLEEPING``, which the live API says too.
    """

    NO_APP_FILE = "NO_APP_FILE"
    CONFIG_ERROR = "CONFIG_ERROR"
    BUILDING = "BUILDING"
    BUILD_ERROR = "BUILD_ERROR"
    APP_STARTING = "APP_STARTING"
    RUNNING = "RUNNING"
    RUNNING_BUILDING = "RUNNING_BUILDING"
    RUNNING_APP_STARTING = "RUNNING_APP_STARTING"
    RUNTIME_ERROR = "RUNTIME_ERROR"
    SLEEPING = "SLEEPING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"
    DELETING = "DELETING"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def _missing_(cls, _value: object) -> Stage:
        return cls.UNKNOWN  # a stage the Hub added after this release: keep waiting

    @property
    def is_serving(self) -> bool:
        """Some commit answers requests, though perhaps not the newest."""
        return self in (Stage.RUNNING, Stage.RUNNING_BUILDING, Stage.RUNNING_APP_STARTING)

    @property
    def is_moving(self) -> bool:
        """The stage will change by itself, or nobody knows whether it will."""
        return self in _MOVING

    @property
    def is_error(self) -> bool:
        """The Space failed, and stays so until somebody does something."""
        return self in (Stage.CONFIG_ERROR, Stage.NO_APP_FILE, Stage.BUILD_ERROR, Stage.RUNTIME_ERROR)

    @property
    def is_billed(self) -> bool:
        """Starting and Running are billed on paid hardware; building is not."""
        return self.is_serving or self is Stage.APP_STARTING

    @property
    def usually_next(self) -> Stage | None:
        """The stage that follows when all goes well."""
        return _NEXT.get(self)


_MOVING = frozenset(
    {
        Stage.BUILDING,
        Stage.APP_STARTING,
        Stage.RUNNING_BUILDING,
        Stage.RUNNING_APP_STARTING,
        Stage.DELETING,
        Stage.UNKNOWN,
    }
)
_NEXT = {
    Stage.BUILDING: Stage.APP_STARTING,
    Stage.APP_STARTING: Stage.RUNNING,
    Stage.RUNNING_BUILDING: Stage.RUNNING_APP_STARTING,
    Stage.RUNNING_APP_STARTING: Stage.RUNNING,
    Stage.SLEEPING: Stage.APP_STARTING,
}
