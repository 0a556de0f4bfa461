"""
Cases in a folder, in one of two layouts.

    BIDS            sub-X/[ses-Y/]dwi/sub-X_ses-Y_dwi.nii.gz and …_adc.nii.gz, anat/…_FLAIR.nii.gz,
                    derivatives/*/sub-X/…/…_lesion-msk.nii.gz (or …_mask.nii.gz)
    ISLES'24 lite   Images-DWI/sub-X_ses-Y_dwi.nii.gz, Images-ADC/…_adc.nii.gz, Masks/…_lesion-msk.nii.gz
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from .case import Case

_ENDS = (".nii.gz", ".nii")
_ID = re.compile(r"(sub-[A-Za-z0-9]+)(?:_(ses-[A-Za-z0-9]+))?_")


def is_lite(folder: Path) -> bool:
    """Whether *folder* has the layout of ISLES'24 lite."""
    return (folder / "Images-DWI").is_dir() and (folder / "Images-ADC").is_dir()


def is_bids(folder: Path) -> bool:
    """Whether *folder* has subjects, as BIDS has them."""
    return any(child.is_dir() for child in folder.glob("sub-*"))


class FolderDataset:
    """The cases in *folder*; a subject with several sessions has a case for each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        return self._folder.name

    def ids(self) -> list[str]:
        return sorted(self._images())

    def case(self, case_id: str) -> Case:
        images = self._images()
        if case_id not in images:
            near = ", ".join(f"`{one}`" for one in sorted(images)[:3])
            hint = f"There are {near} and more: `stroke-demo list`" if near else "It holds no case at all"
            raise DatasetError(f"There is no case `{case_id}` in `{self._folder}`", hint=hint)
        dwi = images[case_id]
        adc = self._beside(dwi, "adc")
        if adc is None:
            raise DatasetError(
                f"The case `{case_id}` has a DWI and no ADC map",
                hint=f"Expected is `{dwi.name.replace('_dwi', '_adc')}`",
            )
        return Case(case_id, dwi, adc, self._beside(dwi, "FLAIR"), self._reference(dwi), _sidecar(dwi))

    def _images(self) -> dict[str, Path]:
        """Return the DWI of each case by the case's id, from the files' names alone."""
        where = "Images-DWI/*_dwi.nii*" if is_lite(self._folder) else "sub-*/**/dwi/*_dwi.nii*"
        found = [path for path in sorted(self._folder.glob(where)) if path.name.endswith(_ENDS)]
        named = [(match, path) for path in found if (match := _ID.match(path.name))]
        subjects = [match[1] for match, _ in named]
        return {
            match[1] if subjects.count(match[1]) == 1 else f"{match[1]}_{match[2]}": path
            for match, path in named
        }

    def _beside(self, dwi: Path, suffix: str) -> Path | None:
        stem = dwi.name.rpartition("_dwi")[0]
        if is_lite(self._folder):
            homes = [self._folder / f"Images-{suffix.upper()}"]
        else:
            homes = [dwi.parent, dwi.parent.parent / "anat"]
        return _first(homes, [f"{stem}_{suffix}", f"{stem}_{suffix.lower()}"])

    def _reference(self, dwi: Path) -> Path | None:
        stem = dwi.name.rpartition("_dwi")[0]
        names = [f"{stem}_lesion-msk", f"{stem}_mask", f"{stem}_msk"]
        if is_lite(self._folder):
            return _first([self._folder / "Masks"], names)
        within = dwi.parent.parent.relative_to(self._folder)
        homes = [
            home
            for kind in sorted(self._folder.glob("derivatives/*"))
            for home in (kind / within, kind / within / "dwi", kind / within / "anat")
        ]
        return _first(homes, names)


def _first(homes: list[Path], names: list[str]) -> Path | None:
    candidates = (home / f"{name}{end}" for home in homes for name in names for end in _ENDS)
    return next((path for path in candidates if path.is_file()), None)


def _sidecar(dwi: Path) -> dict[str, Any]:
    path = dwi.with_name(dwi.name.removesuffix(".gz").removesuffix(".nii") + ".json")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
