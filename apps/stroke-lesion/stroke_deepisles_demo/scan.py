"""A DWI and its ADC map on one grid, checked, and in one unit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ImageError
from .volume import Image, read_image

if TYPE_CHECKING:
    import numpy as np

# The median ADC of a brain lies near 800 × 10⁻⁶ mm²/s; three ways of writing it are in use.
_UNITS = (
    (1e-4, 1e-2, 1e6, "mm²/s"),
    (0.1, 10.0, 1e3, "10⁻³ mm²/s"),
    (100.0, 10_000.0, 1.0, "10⁻⁶ mm²/s"),
)
_TISSUE = 0.05  # of the bright voxels' DWI: darker ones are air
_MOST_NAN = 0.01  # of the brain


@dataclass(frozen=True)
class Scan:
    """*dwi* in the scanner's unit, *adc* in 10⁻⁶ mm²/s, *notes* on what was recognised or mended."""

    dwi: np.ndarray
    adc: np.ndarray
    affine: np.ndarray
    voxel_ml: float
    notes: tuple[str, ...] = ()

    @cached_property
    def brain(self) -> np.ndarray:
        """Where there is tissue: the largest piece in which both images show something, without holes."""
        return brain_of(self.dwi, self.adc)


def read_scan(dwi_path: Path, adc_path: Path) -> Scan:
    """
    Return the scan in two files.

    Raises:
        ImageError: one cannot be read, they do not fit together, or the second is no ADC map.
    """
    dwi, adc = read_image(dwi_path, "DWI"), read_image(adc_path, "ADC")
    notes = [*dwi.notes, *adc.notes, *_compared(dwi, adc)]
    dwi_values, adc_values, mended = _without_nan(dwi.values, adc.values)
    factor, unit = _unit_of(dwi_values, adc_values)
    if factor != 1:
        notes.append(f"The ADC is in {unit}; it was converted to 10⁻⁶ mm²/s")
    return Scan(dwi_values, adc_values * factor, dwi.affine, dwi.voxel_ml, (*notes, *mended))


def brain_of(dwi: np.ndarray, adc: np.ndarray) -> np.ndarray:
    """Return where there is tissue in a skull-stripped scan."""
    import numpy as np
    from scipy import ndimage

    bright = dwi[dwi > 0]
    if not bright.size:
        return np.zeros(dwi.shape, bool)
    tissue = (dwi > _TISSUE * np.percentile(bright, 95)) & (adc > 0)
    pieces, count = ndimage.label(tissue)
    if not count:
        return tissue
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    largest = ndimage.binary_closing(pieces == sizes.argmax(), iterations=2) | (pieces == sizes.argmax())
    filled: np.ndarray = ndimage.binary_fill_holes(largest)
    return filled


def _compared(dwi: Image, adc: Image) -> list[str]:
    """Return what to say of how the images lie, if they lie on one grid at all."""
    import numpy as np

    if dwi.values.shape != adc.values.shape:
        raise ImageError(
            f"DWI and ADC differ in shape: {_times(dwi.values.shape)} and {_times(adc.values.shape)} voxels",
            hint="Resample the ADC to the DWI's grid, or take the ADC that was computed from this DWI",
        )
    corner = np.array([*dwi.values.shape, 1.0])
    ends = [np.array([0.0, 0.0, 0.0, 1.0]), corner]
    apart = max(float(np.abs((dwi.affine - adc.affine) @ end)[:3].max()) for end in ends)
    if apart > max(dwi.voxel_mm):
        raise ImageError(
            f"DWI and ADC lie up to {apart:.0f} mm apart by their headers",
            hint="Are they of one examination? If so, copy the DWI's header to the ADC: `fslcpgeom DWI ADC`",
        )
    if apart > 0.01:
        return [f"The headers place DWI and ADC {apart:.1f} mm apart; the DWI's is used for both"]
    return []


def _without_nan(dwi: np.ndarray, adc: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    import numpy as np

    broken = ~(np.isfinite(dwi) & np.isfinite(adc))
    if not broken.any():
        return dwi, adc, []
    clean = [np.where(np.isfinite(values), values, 0) for values in (dwi, adc)]
    inside = (clean[0] > 0) | (clean[1] > 0)
    share = float((broken & inside).sum()) / max(int(inside.sum()), 1)
    if share > _MOST_NAN or broken.all():
        raise ImageError(
            f"{max(share, float(broken.mean())):.0%} of the voxels hold no number (NaN)",
            hint="Compute the ADC map again, or mask both images with the brain before they are saved",
        )
    return clean[0], clean[1], [f"{int(broken.sum()):,} voxels without a number were taken as air"]


def _unit_of(dwi: np.ndarray, adc: np.ndarray) -> tuple[float, str]:
    """Return by what the ADC is to be multiplied to be in 10⁻⁶ mm²/s, and the unit it came in."""
    import numpy as np

    for values, called in ((dwi, "DWI"), (adc, "ADC")):
        if values.max() <= 0 or values.max() == values.min():
            raise ImageError(
                f"The {called} is empty: all its voxels are {values.max():g} or less",
                hint="Choose another file, or export it once more",
            )
    inside = adc[(adc > 0) & (dwi > 0)]
    median = float(np.median(inside)) if inside.size else 0.0
    for low, high, factor, unit in _UNITS:
        if low <= median <= high:
            return factor, unit
    raise ImageError(
        f"The ADC has a median of {median:.3g}, which is a brain's in no usual unit",
        hint="Expected are mm²/s, 10⁻³ mm²/s or 10⁻⁶ mm²/s; are DWI and ADC interchanged?",
    )


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
