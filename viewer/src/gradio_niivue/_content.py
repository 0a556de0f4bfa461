"""What a viewer shows, in the words of the app that shows it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import cycle
from pathlib import Path
from typing import Any, TypeAlias

# Told apart by colour-blind people as well: Okabe and Ito, "Color Universal Design" (2008), without black.
_PALETTE = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_TWO_FILES = (".hdr", ".img", ".nhdr", ".mhd", ".head", ".brik", ".brik.gz")


class View(str, Enum):  # noqa: UP042 - Python 3.10 has no StrEnum
    """How the content is laid out."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"
    MULTIPLANAR = "multiplanar"  # three slices, and the rendering where there is room
    RENDER = "render"


@dataclass(frozen=True)
class Label:
    """What one value of a volume of labels means, and its colour as ``#rrggbb``."""

    name: str
    color: str

    def __post_init__(self) -> None:
        _check_color(self.color)


@dataclass(frozen=True)
class Volume:
    """
    One image file; the first of a viewer is the background, those after it lie over it.

    *colormap* is a name NiiVue knows (``gray``, ``red``, ``hot``, ``viridis`` …); unless given it is ``gray``
    for the background and ``red`` for an overlay. *opacity* is 0 to 1, unless given 1 for the background and
    0.5 for an overlay. *cal_min* and *cal_max* are the values, in the image's own unit, shown darkest and
    brightest; NiiVue chooses them by the image's percentiles where they are not given. *labels* names the
    values of a segmentation: ``{1: "core", 2: Label("penumbra", "#56B4E9")}``; its colours take the place of
    the colormap.

    Raises:
        ValueError: a number is out of its range, or the format keeps its image in a second file.
    """

    path: str | os.PathLike[str]
    name: str | None = None  # what people read; the file's name unless given
    colormap: str | None = None
    opacity: float | None = None
    cal_min: float | None = None
    cal_max: float | None = None
    labels: Mapping[int, str | Label] | None = None

    def __post_init__(self) -> None:
        _check_opacity(self.opacity)
        if self.cal_min is not None and self.cal_max is not None and self.cal_min >= self.cal_max:
            raise ValueError(f"`cal_min` is {self.cal_min}, not below `cal_max` {self.cal_max}")
        if any(value < 0 for value in self.labels or ()):
            raise ValueError("A label stands for a whole number of 0 or more")
        if str(self.path).lower().endswith(_TWO_FILES):
            raise ValueError(
                f"`{Path(self.path).name}` is half of an image in two files; save it as `.nii.gz`"
            )

    @property
    def title(self) -> str:
        """What people read."""
        return self.name or Path(self.path).name


@dataclass(frozen=True)
class Mesh:
    """
    One surface file (GIfTI, FreeSurfer, MZ3, OBJ, STL, PLY, VTK …), in the space of the volumes.

    *color* is ``#rrggbb``, *opacity* 0 to 1.

    Raises:
        ValueError: a colour is no ``#rrggbb``, or a number is out of its range.
    """

    path: str | os.PathLike[str]
    name: str | None = None
    color: str = "#FFFFFF"
    opacity: float = 1.0

    def __post_init__(self) -> None:
        _check_color(self.color)
        _check_opacity(self.opacity)

    @property
    def title(self) -> str:
        """What people read."""
        return self.name or Path(self.path).name


@dataclass(frozen=True)
class ViewerData:
    """
    All that a viewer shows.

    *view* is how it is laid out, unless given as the component says. *options* are NiiVue's own
    (``{"isColorbar": True}``), laid over those of the component. *crosshair* is where it is put, in mm
    (right, anterior, superior) as the background's affine has them; people may move it then, and it stays
    there until another place or another background is asked for.

    Raises:
        ValueError: there is no such view, or *crosshair* is no place.
    """

    volumes: Sequence[Volume] = ()
    meshes: Sequence[Mesh] = ()
    view: View | str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    crosshair: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.view is not None:
            object.__setattr__(self, "view", View(self.view))
        if self.crosshair is not None:
            object.__setattr__(self, "crosshair", _checked_place(self.crosshair))

    @classmethod
    def of(cls, value: Content) -> ViewerData:
        """
        Return *value* in its full form.

        Raises:
            TypeError: *value* is nothing that can be shown.
        """
        if value is None:
            return cls()
        if isinstance(value, ViewerData):
            return value
        items = [value] if isinstance(value, (str, os.PathLike, Volume, Mesh)) else value
        if not isinstance(items, (list, tuple)):
            raise TypeError(
                f"A viewer shows paths, `Volume`, `Mesh` or `ViewerData`, not `{type(value).__name__}`"
            )
        shown = [item if isinstance(item, (Volume, Mesh)) else Volume(item) for item in items]
        return cls(
            [item for item in shown if isinstance(item, Volume)],
            [item for item in shown if isinstance(item, Mesh)],
        )


Item: TypeAlias = str | os.PathLike[str] | Volume | Mesh
Content: TypeAlias = Item | Sequence[Item] | ViewerData | None


def full_labels(labels: Mapping[int, str | Label]) -> dict[int, Label]:
    """Return *labels* by rising value, each with a colour; those without one get the next of the palette."""
    colors = cycle(_PALETTE)
    return {
        value: label if isinstance(label, Label) else Label(label, next(colors))
        for value, label in sorted(labels.items())
    }


def _check_color(color: str) -> None:
    if not _COLOR.fullmatch(color):
        raise ValueError(f"A colour is `#rrggbb`, not `{color}`")


def _checked_place(place: Sequence[float]) -> tuple[float, ...]:
    checked = tuple(float(part) for part in place)
    if len(checked) != 3 or not all(map(math.isfinite, checked)):
        raise ValueError(f"A place is three numbers in mm, not {place}")
    return checked


def _check_opacity(opacity: float | None) -> None:
    if opacity is not None and not 0 <= opacity <= 1:
        raise ValueError(f"An opacity is 0 to 1, not {opacity}")
