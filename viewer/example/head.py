"""A head that nobody has: ellipsoids with folds, ventricles and a lesion, as NIfTI."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import nibabel
import numpy as np

SHAPE = (96, 112, 96)
VOXEL = 2.0  # mm, each way
CENTRE = (28.0, 8.0, 12.0)  # of the lesion, mm right, anterior and superior of the middle


class Head:
    """The tissues on a grid of 2 mm, in arbitrary units as a T1-weighted scan shows them."""

    def __init__(self) -> None:
        self.affine = np.diag([VOXEL, VOXEL, VOXEL, 1.0])
        self.affine[:3, 3] = -VOXEL * (np.array(SHAPE) - 1) / 2
        axes = [VOXEL * (np.arange(length) - (length - 1) / 2) for length in SHAPE]
        self.x, self.y, self.z = np.meshgrid(*axes, indexing="ij")

    def write(self, path: Path) -> None:
        """Write the head to *path*."""
        x, y, z = self.x, self.y, self.z
        skin = _ellipsoid(x / 82, y / 98, z / 84)
        folds = 0.035 * (np.sin(x / 3.1) * np.cos(y / 3.7) + np.sin(z / 3.3 + y / 5))
        brain = _ellipsoid(x / 68, y / 84, z / 66) + folds
        values = np.select(
            [
                _ellipsoid((np.abs(x) - 14) / 8, y / 30, (z - 6) / 13) < 1,  # ventricles
                (brain < 0.97) & (np.abs(x) < 1.5 + folds * 20) & (z > -10),  # the cleft between the halves
                brain < 0.78,  # white matter
                brain < 0.97,  # grey matter
                _ellipsoid(x / 73, y / 89, z / 72) < 1,  # fluid
                _ellipsoid(x / 77, y / 93, z / 78) < 1,  # bone
                skin < 1,
            ],
            [180, 200, 900, 650, 160, 60, 780],
            default=0,
        )
        noise = np.random.default_rng(0).normal(0, 18, SHAPE)
        self._save(np.clip(values + noise * (skin < 1.05), 0, None).astype("int16"), path)

    def write_lesion(self, path: Path, radius: float) -> None:
        """Write the voxels of a lesion of *radius* mm to *path*, as 1."""
        self._save(self._lesion(radius).astype("uint8"), path)

    def lesion_ml(self, radius: float) -> float:
        """Return the volume of a lesion of *radius* mm, in millilitres."""
        return float(self._lesion(radius).sum() * VOXEL**3 / 1000)

    def _lesion(self, radius: float) -> np.ndarray:
        dx, dy, dz = (axis - middle for axis, middle in zip((self.x, self.y, self.z), CENTRE, strict=True))
        uneven = 1 + 0.12 * np.sin(dx / 4) * np.cos(dy / 5) + 0.08 * np.sin(dz / 3)
        return dx**2 + dy**2 + dz**2 < (radius * uneven) ** 2

    def _save(self, values: np.ndarray, path: Path) -> None:
        part = path.with_name(
            f"{uuid4().hex}-{path.name}"
        )  # whole or not at all: two visitors may want it at once
        nibabel.save(nibabel.Nifti1Image(values, self.affine), part)
        part.replace(path)


def _ellipsoid(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the squared distance from the middle, 1 on the surface."""
    return x**2 + y**2 + z**2
