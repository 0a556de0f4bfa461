"""Where cases come from: folders in two layouts, the Hub, and nowhere (synthetic ones)."""

from __future__ import annotations

from pathlib import Path

from ..errors import DatasetError
from .case import Case, Dataset
from .folder import FolderDataset, is_bids, is_lite
from .hub import HubDataset
from .synthetic import SyntheticDataset

__all__ = ["Case", "Dataset", "FolderDataset", "HubDataset", "SyntheticDataset", "open_dataset"]

SYNTHETIC = "synthetic"


def open_dataset(name: str, *, cache: Path | None = None) -> Dataset:
    """
    Return the dataset *name*: a folder, a dataset's id on the Hub, or ``synthetic`` (``synthetic:40`` for
    40 cases).

    No image is read or fetched yet; what is made or fetched later lies in *cache*.

    Raises:
        DatasetError: it is none of these.
    """
    kind, _, count = name.partition(":")
    if kind == SYNTHETIC:
        return SyntheticDataset(_number(count), cache)
    folder = Path(name).expanduser()
    if folder.is_dir():
        if is_bids(folder) or is_lite(folder):
            return FolderDataset(folder)
        raise DatasetError(
            f"`{folder}` is no dataset of stroke cases",
            hint="Expected are `Images-DWI` and `Images-ADC`, or a BIDS folder with "
            "`sub-…/…/dwi/…_dwi.nii.gz` and `…_adc.nii.gz`",
        )
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return HubDataset(name, cache)
    raise DatasetError(
        f"There is no folder `{name}`",
        hint="Name a folder, a dataset on the Hub as `owner/name`, or `synthetic`",
    )


def _number(text: str) -> int:
    if text and not (text.isdigit() and 0 < int(text) <= 9999):
        raise DatasetError(f"`synthetic:{text}` does not say how many", hint="Try `synthetic:24`")
    return int(text or 24)
