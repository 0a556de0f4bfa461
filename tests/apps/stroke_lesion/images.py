"""Small images for tests: a ball of tissue with a lesion in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np

SHAPE = (40, 40, 30)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
HEALTHY_ADC, LESION_ADC = 800.0, 450.0  # 10⁻⁶ mm²/s


@dataclass
class Head:
    """The arrays of a scan; tests change them before they write them."""

    dwi: np.ndarray
    adc: np.ndarray
    lesion: np.ndarray


def head(*, lesion_radius: float = 5.0) -> Head:
    """Return a head with a round lesion of *lesion_radius* voxels, 0 for none."""
    x, y, z = np.meshgrid(*(np.arange(length) - (length - 1) / 2 for length in SHAPE), indexing="ij")
    brain = x**2 + y**2 + z**2 < 14**2
    lesion = (x - 5) ** 2 + y**2 + z**2 < lesion_radius**2
    texture = np.random.default_rng(0).normal(0, 5, SHAPE)
    dwi = np.where(lesion, 260, 150) + texture
    adc = np.where(lesion, LESION_ADC, HEALTHY_ADC) + texture
    return Head((dwi * brain).astype("float32"), (adc * brain).astype("float32"), lesion & brain)


def save(values: np.ndarray, path: Path, affine: np.ndarray = AFFINE) -> Path:
    """Write *values* as NIfTI to *path*, and return it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path
