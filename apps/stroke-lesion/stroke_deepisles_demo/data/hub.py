"""
A dataset on the Hub that keeps one case in each of its parquet files, as ISLES'24 does there.

Listing asks for the names of the files. A case's columns are ``subject_id``, ``dwi``, ``adc``,
``lesion_mask``; an image is bytes, or ``{"bytes", "path"}``.
"""

from __future__ import annotations

import re
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from .case import Case

_SHARD = re.compile(r"data/[\w-]*?(\d{5})-of-\d{5}[\w-]*\.parquet")
_COLUMNS = {"dwi": "dwi", "adc": "adc", "reference": "lesion_mask", "flair": "flair"}


class HubDataset:
    """The dataset *repo*, ``owner/name``; a case is fetched when it is opened."""

    def __init__(self, repo: str, cache: Path | None = None) -> None:
        self._repo = repo
        self._cache = cache or Path(tempfile.gettempdir()) / "stroke-demo-hub"

    @property
    def name(self) -> str:
        return self._repo

    def ids(self) -> list[str]:
        return sorted(self._shards)

    def case(self, case_id: str) -> Case:
        shard = self._shards.get(case_id)
        if shard is None:
            raise DatasetError(
                f"There is no case `{case_id}` in `{self._repo}`",
                hint=f"There are {len(self._shards)}: see the list",
            )
        from huggingface_hub import hf_hub_download

        fetched = hf_hub_download(self._repo, shard, repo_type="dataset", revision=self._revision)
        return _unpacked(Path(fetched), case_id, self._cache / self._repo / self._revision)

    @property
    def _revision(self) -> str:
        return self._listed[0]

    @property
    def _shards(self) -> dict[str, str]:
        return self._listed[1]

    @cached_property
    def _listed(self) -> tuple[str, dict[str, str]]:
        """Return the commit that is read, and the file of each case: one request, no bytes of any image."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError

        try:
            info = HfApi().dataset_info(self._repo)
        except (HfHubHTTPError, OSError) as error:
            raise DatasetError(
                f"The dataset `{self._repo}` cannot be read",
                hint="Check its name, `HF_TOKEN` if it is private, and `HF_ENDPOINT`",
            ) from error
        names = [file.rfilename for file in info.siblings or ()]
        shards = {f"case-{match[1]}": name for name in names if (match := _SHARD.fullmatch(name))}
        if not shards:
            raise DatasetError(
                f"`{self._repo}` does not keep its cases in files `data/train-00000-of-…parquet`",
                hint="Download it, and name the folder",
            )
        return str(info.sha), shards


def _unpacked(shard: Path, case_id: str, cache: Path) -> Case:
    """Return the case in the first row of *shard*, its images written to *cache*."""
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(shard)
    if file.metadata.num_rows != 1:
        raise DatasetError(
            f"`{shard.name}` holds {file.metadata.num_rows} cases, not one",
            hint="Download the dataset, and write it as a BIDS folder",
        )
    present = {role: column for role, column in _COLUMNS.items() if column in file.schema_arrow.names}
    row = file.read(columns=[*present.values()]).to_pylist()[0]
    paths = {
        role: _written(row[column], cache / case_id / f"{case_id}_{role}") for role, column in present.items()
    }
    if paths.get("dwi") is None or paths.get("adc") is None:
        raise DatasetError(f"The case `{case_id}` has no DWI or no ADC map", hint="Choose another one")
    return Case(case_id, paths["dwi"], paths["adc"], paths.get("flair"), paths.get("reference"))


def _written(value: Any, stem: Path) -> Path | None:
    content = value.get("bytes") if isinstance(value, dict) else value
    if not content:
        return None
    path = stem.with_name(stem.name + (".nii.gz" if content[:2] == b"\x1f\x8b" else ".nii"))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(content)
        part.replace(path)
    return path
