"""
The rule that a reader applies: dark in the ADC and bright in the DWI.

An ADC below 620 × 10⁻⁶ mm²/s is the usual mark of an infarct's core (Purushotham et al., 2015). The other
parameters were set on synthetic cases that no figure is given of.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..data.case import Case
from ..scan import Scan
from .engine import Found

if TYPE_CHECKING:
    import numpy as np

CORE_ADC = 620.0  # 10⁻⁶ mm²/s
RIM_ADC = 700.0
LEAST_ADC = 150.0  # below it, there is no signal to compute an ADC from
BRIGHT_Z = 2.0  # by how many spreads of healthy tissue the DWI is brighter
LEAST_ML = 0.1
_HEALTHY = (300.0, 1300.0)  # ADC of tissue, 10⁻⁶ mm²/s


class ThresholdEngine:
    """Thresholds on both images, grown from certain voxels to their rims; nothing is learnt."""

    name = "threshold"
    about = "A rule anybody can check: ADC below 620 × 10⁻⁶ mm²/s where the DWI is bright"

    def refusal(self) -> str | None:
        return None

    def find(self, case: Case, scan: Scan, folder: Path) -> Found:  # noqa: ARG002
        import scipy

        mask = thresholded(scan.dwi, scan.adc, scan.brain, scan.voxel_ml)
        rule = f"ADC < {CORE_ADC:.0f}, grown to {RIM_ADC:.0f} × 10⁻⁶ mm²/s; DWI z > {BRIGHT_Z:g}"
        return Found(mask, (rule,), {"scipy": scipy.__version__})


def thresholded(dwi: np.ndarray, adc: np.ndarray, brain: np.ndarray, voxel_ml: float) -> np.ndarray:
    """Return where the lesions are. *adc* is in 10⁻⁶ mm²/s."""
    import numpy as np
    from scipy import ndimage

    inner = ndimage.binary_erosion(brain, iterations=2)
    bright = standardized(dwi, dark_range(adc, inner)) > BRIGHT_Z
    rim = brain & bright & (adc > LEAST_ADC) & (adc < RIM_ADC)
    seed = rim & inner & (adc < CORE_ADC)  # at the brain's surface alone, nothing is certain
    # A single voxel is noise; one among others is not. A blur would say so, too, and take the edges away.
    company = ndimage.uniform_filter(seed.astype(np.float32), 3) > 0.4
    seed = ndimage.binary_opening(seed) | (seed & company)
    grown = ndimage.binary_propagation(seed, mask=rim)
    return without_specks(ndimage.binary_closing(grown) & brain, voxel_ml)


def dark_range(adc: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return where there is solid tissue, by which brightness is judged."""
    return inside & (adc > _HEALTHY[0]) & (adc < _HEALTHY[1])


def blurred(values: np.ndarray, brain: np.ndarray, sigma: float) -> np.ndarray:
    """Return *values* blurred by *sigma* voxels, as if there were nothing outside the brain."""
    import numpy as np
    from scipy import ndimage

    weight = ndimage.gaussian_filter(brain.astype(np.float32), sigma)
    return ndimage.gaussian_filter(values * brain, sigma) / np.maximum(weight, 1e-3)


def standardized(values: np.ndarray, healthy: np.ndarray) -> np.ndarray:
    """
    Return by how many robust spreads (1.4826 × the median deviation) each value is above *healthy* ones.
    """
    import numpy as np

    if not healthy.any():
        return np.zeros_like(values)
    middle = np.median(values[healthy])
    spread = 1.4826 * np.median(np.abs(values[healthy] - middle))
    return (values - middle) / max(float(spread), 1e-6)


def without_specks(mask: np.ndarray, voxel_ml: float, least_ml: float = LEAST_ML) -> np.ndarray:
    """Return *mask* without pieces smaller than *least_ml*."""
    import numpy as np
    from scipy import ndimage

    pieces, _ = ndimage.label(mask)
    keep = np.bincount(pieces.ravel()) * voxel_ml >= least_ml
    keep[0] = False
    kept: np.ndarray = keep[pieces]
    return kept
