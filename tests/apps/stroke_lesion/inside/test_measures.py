"""Dice, volume and count, and what they are when there is nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stroke_deepisles_demo.data.case import Case, sha256
from stroke_deepisles_demo.engines.threshold import ThresholdEngine
from stroke_deepisles_demo.errors import ProvenanceError
from stroke_deepisles_demo.measures import measure, middle_of_largest
from stroke_deepisles_demo.segmentation import segment_case
from tests.apps.stroke_lesion.images import head, save


def cube(*corners: int) -> np.ndarray:
    mask = np.zeros((10, 10, 10), bool)
    for corner in corners:
        mask[corner : corner + 2, :2, :2] = True
    return mask


@pytest.mark.parametrize(
    ("found", "known", "dice", "text"),
    [
        (cube(0), cube(0), 1.0, "1.0000"),
        (cube(0, 6), cube(0), 2 / 3, "0.6667"),
        (cube(), cube(0), 0.0, "0.0000"),
        (cube(0), cube(), 0.0, "0.0000"),
        (cube(), cube(), None, "undefined (neither the prediction nor the reference has a lesion)"),
        (cube(0), None, None, "none (the case has no reference)"),
    ],
)
def test_dice(found: np.ndarray, known: np.ndarray | None, dice: float | None, text: str):
    """
    Nothing found where there was something is 0; nothing where there was nothing is not measured at all.
    """
    measures = measure(found, known, voxel_ml=0.5)

    assert measures.dice == pytest.approx(dice)
    assert measures.dice_text == text
    assert measures.volume_ml == found.sum() * 0.5


def test_pieces_that_touch_are_one():
    """
    Voxels that share a corner belong to one lesion.
    """
    mask = cube(0, 6)
    mask[2, 2, 2] = True

    assert measure(mask, None, 1.0).lesions == 2


def test_the_middle_is_in_the_lesion():
    """
    The middle of the largest piece is one of its voxels, also of a ring; of nothing there is none.
    """
    mask = cube(0)
    mask[4:9, 4:9, 3:6] = True
    mask[6, 6, :] = False

    assert mask[middle_of_largest(mask)]
    assert middle_of_largest(mask)[0] >= 4
    assert middle_of_largest(cube()) is None


class Cheat(ThresholdEngine):
    """Hands over the reference."""

    def find(self, case, scan, folder):
        return replace(super().find(case, scan, folder), output_sha256=sha256(case.reference))


def test_the_reference_is_no_prediction(tmp_path: Path):
    """
    An engine whose output is the file of the reference gives an error, and no figure.
    """
    made = head()
    paths = [
        save(values, tmp_path / f"{number}.nii.gz") for number, values in enumerate((made.dwi, made.adc))
    ]
    case = Case("a", *paths, reference=save(made.lesion.astype("uint8"), tmp_path / "mask.nii.gz"))

    with pytest.raises(ProvenanceError, match="the file of the reference itself"):
        segment_case(case, Cheat(), tmp_path / "out", pictures=False)

    assert not list((tmp_path / "out").glob("*/result.json"))


@pytest.mark.parametrize(("radius", "dice"), [(5.0, "number"), (0.0, None)])
def test_undefined_is_null_in_json(tmp_path: Path, radius: float, dice: str | None):
    """
    Where Dice is undefined, JSON has null and the words say why; elsewhere it is a number.
    """
    made = head(lesion_radius=radius)
    case = Case(
        "a",
        save(made.dwi, tmp_path / "dwi.nii.gz"),
        save(made.adc, tmp_path / "adc.nii.gz"),
        reference=save(made.lesion.astype("uint8"), tmp_path / "mask.nii.gz"),
    )

    result = segment_case(case, ThresholdEngine(), tmp_path / "out")

    facts = json.loads((result.folder / "result.json").read_text())
    if dice is None:
        assert facts["dice"] is None
        assert facts["largest_lesion_mm"] is None
        assert facts["dice_text"].startswith("undefined")
    else:
        assert facts["dice"] >= 0.95
        assert facts["largest_lesion_mm"] == pytest.approx([49, 39, 29], abs=2)
    assert facts["warning"] == "Not for clinical use"
    assert facts["inputs_sha256"]["reference"] != facts["inputs_sha256"]["dwi"]
    assert "Not for clinical use" in (result.folder / "report.html").read_text()
