"""What the voxel model sees of each voxel: both images at several scales, and their surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .threshold import blurred, dark_range, standardized

if TYPE_CHECKING:
    import numpy as np

    from ..scan import Scan

NAMES = (
    "dwi", "adc", "dwi_1", "adc_1", "dwi_2", "adc_2", "dwi_4", "adc_4",
    "depth", "darkest_near", "spread_near", "dwi_detail", "adc_detail",
)  # fmt: skip
_SCALES = (1, 2, 4)  # voxels
_MOST_ADC = 3000.0  # 10⁻⁶ mm²/s


def features(scan: Scan) -> np.ndarray:
    """Return the features of all voxels, in the order of NAMES, as the last axis."""
    import numpy as np
    from scipy import ndimage

    brain = scan.brain
    bright = np.clip(standardized(scan.dwi, dark_range(scan.adc, brain)), -6, 12) * brain
    adc = np.clip(scan.adc, 0, _MOST_ADC) * brain
    scales = [blurred(values, brain, scale) for scale in _SCALES for values in (bright, adc)]
    darkest = ndimage.minimum_filter(scales[1], 3)
    spread = ndimage.maximum_filter(scales[1], 5) - ndimage.minimum_filter(scales[1], 5)
    depth = ndimage.distance_transform_edt(brain)
    details = (scales[0] - scales[4], scales[1] - scales[5])
    return np.stack([bright, adc, *scales, depth, darkest, spread, *details], axis=-1).astype(np.float32)


def candidates(values: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Return the voxels that are worth asking the model about."""
    adc, bright = NAMES.index("adc_1"), NAMES.index("dwi_1")
    found: np.ndarray = brain & (values[..., adc] < 1000) & (values[..., bright] > -1)
    return found
