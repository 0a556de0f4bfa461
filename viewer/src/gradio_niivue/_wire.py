"""
What travels to the browser and back.

Everything is in the value: other properties of an HTML component are gone once it was hidden and shown again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradio.data_classes import FileData, GradioModel
from pydantic import Field

from ._content import Label, Mesh, View, ViewerData, Volume, full_labels


class WireLabel(GradioModel):
    """One named value of a volume of labels."""

    value: int
    name: str
    color: str


class WireVolume(GradioModel):
    """One volume, every choice made."""

    file: FileData
    name: str
    colormap: str
    opacity: float
    cal_min: float | None = None
    cal_max: float | None = None
    labels: list[WireLabel] = Field(default_factory=list)


class WireMesh(GradioModel):
    """One surface."""

    file: FileData
    name: str
    color: str
    opacity: float


class WireData(GradioModel):
    """The value of the component."""

    volumes: list[WireVolume] = Field(default_factory=list)
    meshes: list[WireMesh] = Field(default_factory=list)
    view: View = View.MULTIPLANAR
    options: dict[str, Any] = Field(default_factory=dict)
    crosshair: list[float] | None = None  # mm
    report_location: bool = False
    module: FileData | None = None  # NiiVue itself: as a file it gets the right address behind a proxy


def to_wire(
    data: ViewerData, *, view: View, options: dict[str, Any], report_location: bool, module: Path
) -> WireData:
    """
    Return *data* as it travels; *view* and *options* are those of the component.

    Raises:
        FileNotFoundError: a volume or mesh is not there.
    """
    return WireData(
        volumes=[_volume(volume, overlay=number > 0) for number, volume in enumerate(data.volumes)],
        meshes=[
            WireMesh(file=_file(mesh), name=mesh.title, color=mesh.color, opacity=mesh.opacity)
            for mesh in data.meshes
        ],
        view=View(data.view or view),
        options={**options, **data.options},
        crosshair=None if data.crosshair is None else list(data.crosshair),
        report_location=report_location,
        module=FileData(path=str(module), orig_name=module.name),
    )


def from_wire(wire: WireData) -> ViewerData:
    """Return what the browser sent; the paths are those of the server's own copies."""
    return ViewerData(
        volumes=[
            Volume(
                volume.file.path,
                name=volume.name,
                colormap=volume.colormap,
                opacity=volume.opacity,
                cal_min=volume.cal_min,
                cal_max=volume.cal_max,
                labels={label.value: Label(label.name, label.color) for label in volume.labels} or None,
            )
            for volume in wire.volumes
        ],
        meshes=[
            Mesh(mesh.file.path, name=mesh.name, color=mesh.color, opacity=mesh.opacity)
            for mesh in wire.meshes
        ],
        view=wire.view,
        options=wire.options,
        crosshair=wire.crosshair,
    )


def _volume(volume: Volume, *, overlay: bool) -> WireVolume:
    labels = full_labels(volume.labels or {})
    return WireVolume(
        file=_file(volume),
        name=volume.title,
        colormap=volume.colormap or ("red" if overlay else "gray"),
        opacity=volume.opacity if volume.opacity is not None else (0.5 if overlay else 1.0),
        cal_min=volume.cal_min,
        cal_max=volume.cal_max,
        labels=[
            WireLabel(value=value, name=label.name, color=label.color) for value, label in labels.items()
        ],
    )


def _file(item: Volume | Mesh) -> FileData:
    path = Path(item.path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file `{path}` to show")
    # NiiVue tells formats by the end of the file's name, whatever people read.
    return FileData(path=str(path), orig_name=path.name)
