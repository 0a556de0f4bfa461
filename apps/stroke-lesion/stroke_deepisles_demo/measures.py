"""How large, how many, and how much two masks have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

UNDEFINED = "undefined"
_UNDEFINED_BECAUSE = f"{UNDEFINED} (neither the prediction nor the reference has a lesion)"
_NO_REFERENCE = "none (the case has no reference)"


@dataclass(frozen=True)
class Measures:
    """Of a prediction, and of its reference where there is one. Volumes are in millilitres."""

    volume_ml: float
    lesions: int
    reference_ml: float | None = None
    reference_lesions: int | None = None
    dice: float | None = None  # None: there is no reference, or both masks are empty

    @property
    def dice_text(self) -> str:
        """Dice's coefficient with four digits, or in words why there is none."""
        if self.dice is not None:
            return f"{self.dice:.4f}"
        return _NO_REFERENCE if self.reference_ml is None else _UNDEFINED_BECAUSE


def measure(prediction: np.ndarray, reference: np.ndarray | None, voxel_ml: float) -> Measures:
    """Return the measures of *prediction*, beside *reference* where there is one; both are boolean."""
    found = (float(prediction.sum()) * voxel_ml, count_lesions(prediction))
    if reference is None:
        return Measures(*found)
    known = (float(reference.sum()) * voxel_ml, count_lesions(reference))
    return Measures(*found, *known, dice(prediction, reference))


def dice(prediction: np.ndarray, reference: np.ndarray) -> float | None:
    """
    Return twice what is common over the sum of both (Dice, 1945), 0 to 1.

    None if both are empty: there was nothing to find, so nothing was measured. 0.0 if one of them is.
    """
    together = int(prediction.sum()) + int(reference.sum())
    return 2 * int((prediction & reference).sum()) / together if together else None


def count_lesions(mask: np.ndarray) -> int:
    """Return how many pieces *mask* has; voxels that touch at a corner belong together."""
    import numpy as np
    from scipy import ndimage

    return int(ndimage.label(mask, structure=np.ones((3, 3, 3)))[1])


def middle_of_largest(mask: np.ndarray) -> tuple[int, int, int] | None:
    """Return the voxel that lies deepest in the largest piece of *mask*, if there is any: never a hole."""
    import numpy as np
    from scipy import ndimage

    pieces, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if not count:
        return None
    sizes = np.bincount(pieces.ravel())
    depth = ndimage.distance_transform_edt(pieces == sizes[1:].argmax() + 1)
    x, y, z = (int(place) for place in np.unravel_index(depth.argmax(), depth.shape))
    return x, y, z
