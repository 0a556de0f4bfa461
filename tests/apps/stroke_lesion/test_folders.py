"""Datasets in folders: which cases they have, and which files belong to one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stroke_deepisles_demo.data import open_dataset
from stroke_deepisles_demo.errors import DatasetError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_isles_lite(tmp_path: Path):
    """
    In the layout of ISLES'24 lite, images and mask are found by the case's id.
    """
    for number in ("0002", "0001"):
        stem = f"sub-stroke{number}_ses-02"
        touch(tmp_path, f"Images-DWI/{stem}_dwi.nii.gz", f"Images-ADC/{stem}_adc.nii.gz")
    touch(tmp_path, "Masks/sub-stroke0001_ses-02_lesion-msk.nii.gz")
    dataset = open_dataset(str(tmp_path))

    assert dataset.ids() == ["sub-stroke0001", "sub-stroke0002"]
    case = dataset.case("sub-stroke0001")
    assert case.adc == tmp_path / "Images-ADC" / "sub-stroke0001_ses-02_adc.nii.gz"
    assert case.reference == tmp_path / "Masks" / "sub-stroke0001_ses-02_lesion-msk.nii.gz"
    assert dataset.case("sub-stroke0002").reference is None


def test_bids(tmp_path: Path):
    """
    In BIDS, sessions are cases of their own, FLAIR and sidecar are found, and derivatives are no cases.
    """
    for session in ("ses-01", "ses-02"):
        stem = f"sub-A/{session}/dwi/sub-A_{session}"
        touch(tmp_path, f"{stem}_dwi.nii.gz", f"{stem}_adc.nii.gz")
    touch(
        tmp_path,
        "sub-A/ses-01/anat/sub-A_ses-01_FLAIR.nii.gz",
        "sub-B/dwi/sub-B_dwi.nii",
        "sub-B/dwi/sub-B_adc.nii",
    )
    touch(tmp_path, "derivatives/manual/sub-A/ses-02/dwi/sub-A_ses-02_dwi.nii.gz")
    touch(tmp_path, "derivatives/manual/sub-A/ses-01/dwi/sub-A_ses-01_lesion-msk.nii.gz")
    (tmp_path / "sub-A/ses-01/dwi/sub-A_ses-01_dwi.json").write_text(json.dumps({"Synthetic": True}))
    dataset = open_dataset(str(tmp_path))

    assert dataset.ids() == ["sub-A_ses-01", "sub-A_ses-02", "sub-B"]
    case = dataset.case("sub-A_ses-01")
    assert case.flair is not None
    assert case.reference is not None
    assert case.is_synthetic
    assert not dataset.case("sub-B").is_synthetic


def test_what_is_not_there_is_said(tmp_path: Path):
    """
    A folder of something else, a case that is not there and one without its ADC each name the next step.
    """
    with pytest.raises(DatasetError, match="no dataset of stroke cases"):
        open_dataset(str(tmp_path))
    with pytest.raises(DatasetError, match="There is no folder"):
        open_dataset(str(tmp_path / "nowhere"))
    touch(tmp_path, "sub-A/dwi/sub-A_dwi.nii.gz")
    dataset = open_dataset(str(tmp_path))
    with pytest.raises(DatasetError, match="no case `sub-B`"):
        dataset.case("sub-B")
    with pytest.raises(DatasetError, match="no ADC map"):
        dataset.case("sub-A")


def test_synthetic_cases_are_listed_without_being_made(tmp_path: Path):
    """
    A list of synthetic cases writes nothing.
    """
    dataset = open_dataset("synthetic:3", cache=tmp_path)

    assert dataset.ids() == ["sub-stroke0001", "sub-stroke0002", "sub-stroke0003"]
    assert not list(tmp_path.iterdir())
