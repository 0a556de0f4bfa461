"""What an app may say is to be shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gradio_niivue import Label, Mesh, View, ViewerData, Volume
from gradio_niivue._content import full_labels


@pytest.mark.parametrize(
    ("value", "volumes", "meshes"),
    [
        (None, [], []),
        ("a.nii", ["a.nii"], []),
        (Path("a.nii"), ["a.nii"], []),
        (Volume("a.nii", name="A"), ["A"], []),
        (Mesh("b.gii"), [], ["b.gii"]),
        (["a.nii", Mesh("b.gii"), Volume("c.nii")], ["a.nii", "c.nii"], ["b.gii"]),
        (ViewerData([Volume("a.nii")]), ["a.nii"], []),
    ],
)
def test_every_short_form_has_a_full_one(value: Any, volumes: list[str], meshes: list[str]):
    """
    A path, a volume, a mesh, a list of them and nothing at all are short for a ViewerData.
    """
    data = ViewerData.of(value)

    assert [volume.title for volume in data.volumes] == volumes
    assert [mesh.title for mesh in data.meshes] == meshes


def test_other_things_are_refused():
    """
    What cannot be shown is named, with what can.
    """
    with pytest.raises(TypeError, match=r"`Volume`.*not `int`"):
        ViewerData.of(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda: Volume("a.nii", opacity=1.5), "0 to 1, not 1.5"),
        (lambda: Volume("a.nii", cal_min=3, cal_max=2), "`cal_min` is 3, not below `cal_max` 2"),
        (lambda: Volume("a.nii", labels={-1: "x"}), "0 or more"),
        (lambda: Volume("scan.hdr"), "`scan.hdr` is half of an image"),
        (lambda: Mesh("b.gii", color="red"), "`#rrggbb`, not `red`"),
        (lambda: Label("core", "#12345"), "`#rrggbb`"),
        (lambda: ViewerData(view="sideways"), "sideways"),
        (lambda: ViewerData(crosshair=(1, 2)), "three numbers in mm"),
        (lambda: ViewerData(crosshair=(1, 2, float("nan"))), "three numbers in mm"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_written(wrong: Any, why: str):
    """
    A number out of its range, a colour that is none, half an image and an unknown view are refused at once.
    """
    with pytest.raises(ValueError, match=why):
        wrong()


def test_labels_without_a_colour_get_colours_that_differ():
    """
    Labels get colours in the order of their values; those that have one keep it.
    """
    labels = full_labels({7: "penumbra", 2: Label("core", "#FF0000"), 3: "edge"})

    assert [*labels] == [2, 3, 7]
    assert labels[2].color == "#FF0000"
    assert len({label.color for label in labels.values()}) == 3


def test_a_view_is_one_of_five():
    """
    A view may be given by its name.
    """
    assert ViewerData(view="render").view is View.RENDER
