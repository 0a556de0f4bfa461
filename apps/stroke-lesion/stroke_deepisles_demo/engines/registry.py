"""The engines by their names."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import EngineError
from .engine import Engine


def _threshold() -> Engine:
    from .threshold import ThresholdEngine

    return ThresholdEngine()


def _voxel() -> Engine:
    from .voxel import VoxelEngine

    return VoxelEngine()


def _container() -> Engine:
    from .deepisles_container import ContainerEngine

    return ContainerEngine()


def _image() -> Engine:
    from .deepisles_image import ImageEngine

    return ImageEngine()


ENGINES: dict[str, Callable[[], Engine]] = {
    "threshold": _threshold,
    "voxel": _voxel,
    "deepisles-container": _container,
    "deepisles-image": _image,
}


def engine_called(name: str) -> Engine:
    """
    Return the engine *name*, which may still refuse to run here.

    Raises:
        EngineError: there is none of this name.
    """
    if name not in ENGINES:
        names = ", ".join(f"`{one}`" for one in ENGINES)
        raise EngineError(f"There is no engine `{name}`", hint=f"There are {names}")
    return ENGINES[name]()
