"""Synthetic cases: made when they are asked for, or written as a dataset."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DatasetError
from ..synth import Quality, SyntheticCase, make_case
from .case import Case
from .folder import FolderDataset

if TYPE_CHECKING:
    import numpy as np

FIRST_SEED = 5003  # no engine was trained, tuned or measured on these; the first is neither easy nor hard
_ABOUT = {
    "Name": "Synthetic stroke cases",
    "BIDSVersion": "1.9.0",
    "DatasetType": "raw",
    "Synthetic": True,
    "License": "CC0",
    "Acknowledgements": "Anatomy: MNI152 2009a, copyright McConnell Brain Imaging Centre, McGill University",
}
_README = """Synthetic stroke cases, made by `stroke-demo synth`. Nobody's data.

Not for clinical use.
"""


class SyntheticDataset:
    """*count* cases that are made when they are first opened, and kept in *cache*."""

    def __init__(self, count: int, cache: Path | None = None) -> None:
        self._count = count
        self._folder = (cache or Path(tempfile.gettempdir()) / f"stroke-demo-{os.getuid()}") / "synthetic"

    @property
    def name(self) -> str:
        return "Synthetic cases"

    def ids(self) -> list[str]:
        return [_id(number) for number in range(1, self._count + 1)]

    def case(self, case_id: str) -> Case:
        if case_id not in self.ids():
            raise DatasetError(
                f"There is no synthetic case `{case_id}`",
                hint=f"There are `{_id(1)}` to `{_id(self._count)}`",
            )
        if not (self._folder / case_id).is_dir():
            write_cases(self._folder, [int(case_id.removeprefix("sub-stroke"))])
        return FolderDataset(self._folder).case(case_id)


def write_cases(folder: Path, numbers: list[int], *, first_seed: int = FIRST_SEED) -> None:
    """Write the synthetic cases with these *numbers* to *folder*, which becomes a BIDS dataset."""
    for _ in writing_cases(folder, numbers, first_seed=first_seed):
        pass


def writing_cases(
    folder: Path,
    numbers: list[int],
    *,
    first_seed: int = FIRST_SEED,
    quality: Quality = Quality.SCANNED,
) -> Iterator[str]:
    """Do as `write_cases` does, and yield the id of each case once it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    about = json.dumps(_ABOUT, indent=2) + "\n"
    (folder / "dataset_description.json").write_text(about, encoding="utf-8")
    (folder / "README").write_text(_README, encoding="utf-8")
    for number in numbers:
        _write(folder, _id(number), make_case(first_seed + number, quality))
        yield _id(number)


def _write(folder: Path, case_id: str, made: SyntheticCase) -> None:
    """Write one case; it appears in *folder* whole or not at all."""
    stem = f"{case_id}_ses-01"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as temporary:
        new = Path(temporary)
        images, masks = new / "images" / "ses-01" / "dwi", new / "masks" / "ses-01" / "dwi"
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        _save(made.dwi, made.affine, images / f"{stem}_dwi.nii.gz")
        _save(made.adc, made.affine, images / f"{stem}_adc.nii.gz")
        _save(made.lesion.astype("uint8"), made.affine, masks / f"{stem}_lesion-msk.nii.gz")
        (images / f"{stem}_dwi.json").write_text(json.dumps(made.facts(), indent=2) + "\n", encoding="utf-8")
        reference = folder / "derivatives" / "lesion_masks" / case_id
        reference.parent.mkdir(parents=True, exist_ok=True)
        for old in (reference, folder / case_id):
            shutil.rmtree(old, ignore_errors=True)
        (new / "masks").replace(reference)
        (new / "images").replace(folder / case_id)


def _save(values: np.ndarray, affine: np.ndarray, path: Path) -> None:
    import nibabel

    image = nibabel.Nifti1Image(values, affine)
    image.header["descrip"] = b"Synthetic. Not for clinical use"
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


def _id(number: int) -> str:
    return f"sub-stroke{number:04d}"
