"""
What DeepISLES (de la Rosa et al., 2024) is given and gives back, however it is run.

Its container reads ``/app/data`` and writes ``/app/data/results/lesion_msk.nii.gz``. Options are flags
without values, and ``--parallelize`` turns parallel work *off*. When a model of the ensemble fails, it
says so in its log, goes on with what is left, and ends with exit code 0.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.case import Case, sha256
from ..errors import EngineError, EngineTimeout
from ..scan import Scan
from ..volume import read_image
from .engine import Found

MASK = Path("results") / "lesion_msk.nii.gz"
_ENSEMBLE = ("SEALS", "NVAUTO", "FACTORIZER")
_ALONE = re.compile(r"Returning results from (\w+)", re.IGNORECASE)
_KEPT_LINES = 5
_LEASH = Path(__file__).with_name("leash.py")
_TIMEOUT = 1800.0  # seconds


@dataclass(frozen=True)
class Options:
    """How DeepISLES is to work; *gpus* is docker's, or ``none`` for a container that needs none."""

    fast: bool = False
    skull_strip: bool = False
    parallelize: bool = True
    timeout: float = _TIMEOUT
    gpus: str = "all"

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Options:
        """
        Return what the variables ``DEEPISLES_FAST``, ``…_SKULL_STRIP``, ``…_PARALLELIZE`` and ``…_GPUS``
        say.
        """
        yes = {"1", "true", "yes"}
        return cls(
            fast=environment.get("DEEPISLES_FAST", "").lower() in yes,
            skull_strip=environment.get("DEEPISLES_SKULL_STRIP", "").lower() in yes,
            parallelize=environment.get("DEEPISLES_PARALLELIZE", "true").lower() in yes,
            timeout=float(environment.get("DEEPISLES_TIMEOUT") or _TIMEOUT),
            gpus=environment.get("DEEPISLES_GPUS") or "all",
        )

    def flags(self) -> list[str]:
        """Return the flags as DeepISLES reads them."""
        wanted = {
            "--fast": self.fast,
            "--skull_strip": self.skull_strip,
            "--parallelize": not self.parallelize,  # sic: it is stored as false
        }
        return [flag for flag, given in wanted.items() if given]


def stage(case: Case, folder: Path) -> dict[str, Path]:
    """Put the images of *case* into *folder* under the names DeepISLES is told, and return them by role."""
    folder.mkdir(parents=True)
    staged = {}
    for role, path in case.inputs().items():
        target = staged[role] = folder / f"{role}.nii.gz"
        if path.name.endswith(".gz"):
            shutil.copyfile(path, target)
        else:
            with path.open("rb") as plain, gzip.open(target, "wb", compresslevel=1) as packed:
                shutil.copyfileobj(plain, packed)
    return staged


def run(
    words: Sequence[str], timeout: float, *, cwd: Path | None = None, clear_up: Sequence[str] = ()
) -> str:
    """
    Run DeepISLES by *words* and return its log.

    Where it takes longer than *timeout* seconds, or this process is killed, it ends, and *clear_up* is run.

    Raises:
        EngineTimeout: it took longer.
        EngineError: it ended with another exit code than 0.
    """
    theirs, ours = os.pipe()  # closed when this process is, however it ends
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", _LEASH, json.dumps(list(clear_up)), *words],
            cwd=cwd,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # what kills this process spares it
        )
    finally:
        os.close(theirs)
    try:
        log, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise EngineTimeout(
            f"DeepISLES was stopped after {timeout:.0f} s",
            hint="Set `DEEPISLES_FAST=true`, or a longer `DEEPISLES_TIMEOUT`",
        ) from None
    finally:
        os.close(ours)
        process.communicate()
    if process.returncode:
        last = " / ".join(log.strip().splitlines()[-_KEPT_LINES:]) or "it said nothing"
        raise EngineError(f"DeepISLES ended with exit code {process.returncode}: {last}", hint=_reason(log))
    return log


def collect(
    folder: Path, case: Case, scan: Scan, options: Options, log: str, versions: dict[str, str]
) -> Found:
    """
    Return what DeepISLES left in *folder*, read by its exact name.

    Raises:
        EngineError: it is not there, or is no mask of this case.
    """
    path = folder / MASK
    if not path.is_file():
        raise EngineError(f"DeepISLES ended without an error, and left no `{MASK}`", hint="Look into its log")
    mask = read_image(path, "mask of DeepISLES").values
    if mask.shape != scan.dwi.shape:
        raise EngineError(f"The mask of DeepISLES has {mask.shape} voxels, the DWI {scan.dwi.shape}")
    who, notes = contributed(log, has_flair=case.flair is not None, fast=options.fast)
    return Found(mask > 0.5, who, versions, notes, output_sha256=sha256(path))


def contributed(log: str, *, has_flair: bool, fast: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which models a result really comes from, and what to say about it."""
    if alone := _ALONE.search(log):
        name = alone[1].upper()
        expected = not has_flair or fast
        return (name,), () if expected else (f"Not the ensemble: another model failed, this is {name} alone",)
    if fast:
        return ("SEALS",), ("SEALS alone, as `DEEPISLES_FAST` asks for",)
    if not has_flair:
        return ("SEALS",), ("SEALS alone: without a FLAIR image DeepISLES runs no other model",)
    return _ENSEMBLE, ()


def _reason(log: str) -> str:
    if "CUDA" in log or "nvidia" in log.lower():
        return "It needs an NVIDIA GPU that PyTorch 1.11 knows (T4, V100, A10G, A100)"
    return (
        "Are DWI and ADC of one examination, and skull-stripped? Otherwise set `DEEPISLES_SKULL_STRIP=true`"
    )
