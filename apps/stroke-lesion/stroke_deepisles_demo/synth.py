"""
Cases that nobody has: the MNI152 template, warped, with lesions and the physics of diffusion imaging.

Signal: S = S0 · exp(−b · ADC) (Stejskal and Tanner, 1965), with Rician noise (Gudbjartsson and Patz,
1995). The ADC of the tissues and of a fresh infarct, and the slow rise of T2 in it, are of the usual
order; what a segmentation reaches here says how it does on such cases, and nothing about patients.

A voxel of 2 mm at an edge is partly lesion: the reference has those that are it by half or more.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

B_VALUE = 1000.0  # s/mm²
VOXEL = 2  # mm, each way
VOXEL_ML = VOXEL**3 / 1000
_ADC = {"grey": (850, 25), "white": (760, 25), "fluid": (2900, 120)}  # mean and spread, 10⁻⁶ mm²/s
_S0 = {"grey": 360.0, "white": 290.0, "fluid": 900.0}
_CORE_ADC = (380, 600)
_LARGEST_ADC = 4000.0
_EDGE = 0.7  # voxels
_T2_RISE = ([0, 6, 24, 48], [0, 0.08, 0.35, 0.5])  # hours since onset, and by how much S0 is up


class Quality(StrEnum):
    """What a scanner would add to a case."""

    SCANNED = "scanned"  # noise, and edges as soft as voxels make them
    NOISE_FREE = "noise-free"
    # Neither: what is left to get wrong is the program's fault, so engines are checked with it. Without noise
    # alone, a pale lesion at a ventricle is still cut short by any rule about one voxel's ADC.
    IDEAL = "ideal"


@dataclass(frozen=True)
class SyntheticCase:
    """A scan with the truth about it. *adc* is in 10⁻⁶ mm²/s, *age_h* in hours since onset."""

    dwi: np.ndarray
    adc: np.ndarray
    lesion: np.ndarray
    affine: np.ndarray
    seed: int
    age_h: float
    snr: float | None  # None: without noise
    quality: Quality

    @property
    def lesion_ml(self) -> float:
        """The volume of the lesions, in millilitres."""
        return float(self.lesion.sum()) * VOXEL_ML

    def facts(self) -> dict[str, object]:
        """Return the JSON sidecar: first of all, that it is synthetic."""
        return {
            "Synthetic": True,
            "Manufacturer": "stroke-demo synth",
            "NotForClinicalUse": True,
            "Seed": self.seed,
            "BValue": B_VALUE,
            "HoursSinceOnset": round(self.age_h, 1),
            "Quality": self.quality.value,
            "SignalToNoise": None if self.snr is None else round(self.snr, 1),
            "LesionMillilitres": round(self.lesion_ml, 3),
            "Template": "MNI152 2009a (McGill University), as nilearn ships it",
        }


@dataclass(frozen=True)
class Tissue:
    """How much of each voxel is which tissue, 0 to 1, and where the brain is."""

    grey: np.ndarray
    white: np.ndarray
    fluid: np.ndarray
    affine: np.ndarray

    @property
    def brain(self) -> np.ndarray:
        return self.grey + self.white + self.fluid > 0.5

    def mix(self, grey: float, white: float, fluid: float) -> np.ndarray:
        """Return the map of a quantity that has these values in the tissues."""
        return self.grey * grey + self.white * white + self.fluid * fluid


def make_case(seed: int, quality: Quality = Quality.SCANNED) -> SyntheticCase:
    """Return the case that belongs to *seed*: the same one each time, whatever its *quality*."""
    import numpy as np

    random = np.random.default_rng(seed)
    tissue = _warped(_template(), random)
    lesion = _lesions(tissue, random)
    edges = 0.0 if quality is Quality.IDEAL else _EDGE
    share = _soft(lesion, edges)
    age = float(random.uniform(1, 48))
    adc, s0 = _physics(tissue, share, age, random)
    old = _soft(_old_scars(tissue, random) & ~lesion, edges)
    adc, s0 = adc * (1 + 0.35 * old), s0 * (1 + 1.3 * old)
    s0 = s0 * _skull_base(s0.shape, random)
    snr = float(random.uniform(8, 25)) if quality is Quality.SCANNED else None
    dwi, measured = _measured(adc, s0, tissue.brain & ~lesion, snr, random)
    inside = tissue.brain
    return SyntheticCase(
        (dwi * inside).astype(np.float32),
        (measured * inside).astype(np.float32),
        (share >= 0.5) & inside,
        tissue.affine,
        seed,
        age,
        snr,
        quality,
    )


@functools.cache
def _template() -> Tissue:
    import numpy as np
    from nilearn import datasets

    grey, white, brain = (
        load(resolution=VOXEL)
        for load in (
            datasets.load_mni152_gm_template,
            datasets.load_mni152_wm_template,
            datasets.load_mni152_brain_mask,
        )
    )
    inside = brain.get_fdata() > 0.5
    grey_share, white_share = (
        np.clip(image.get_fdata(), 0, 1).astype(np.float32) * inside for image in (grey, white)
    )
    fluid = np.clip(1 - grey_share - white_share, 0, 1) * inside
    return Tissue(grey_share, white_share, fluid, brain.affine)


def _warped(tissue: Tissue, random: np.random.Generator) -> Tissue:
    """Return *tissue* as another head has it."""
    import numpy as np
    from scipy import ndimage

    shape = tissue.grey.shape
    places = np.indices(shape).astype(np.float32)
    for axis in range(3):
        places[axis] += _smooth(shape, random, 12) * random.uniform(0.8, 2.0)
    shares = [
        ndimage.map_coordinates(share, places, order=1) for share in (tissue.grey, tissue.white, tissue.fluid)
    ]
    total = np.maximum(sum(shares), 1e-3)
    inside = total > 0.5
    return Tissue(*(share / total * inside for share in shares), tissue.affine)


def _lesions(tissue: Tissue, random: np.random.Generator) -> np.ndarray:
    """Return one lesion of 0.4 to 90 ml, and up to three small ones."""
    lesion = _blob(tissue, random, 0.4, 90)
    for _ in range(random.integers(0, 4)):
        lesion = lesion | _blob(tissue, random, 0.15, 3)
    return lesion


def _blob(tissue: Tissue, random: np.random.Generator, least_ml: float, most_ml: float) -> np.ndarray:
    """Return an irregular piece of tissue in one hemisphere, its volume log-uniform between two."""
    import numpy as np

    solid = tissue.grey + tissue.white > 0.6
    middle = solid.shape[0] // 2
    places = np.argwhere(solid)
    places = places[np.abs(places[:, 0] - middle) > 4]
    start = places[random.integers(len(places))]
    stretch = random.uniform(0.6, 1.7, 3)
    away = np.sqrt(
        sum(
            ((axis - at) * by) ** 2
            for axis, at, by in zip(np.indices(solid.shape), start, stretch, strict=True)
        )
    )
    away = away * np.exp(0.35 * _smooth(solid.shape, random, random.uniform(2, 5)))
    left = np.arange(solid.shape[0]) < middle
    away[~solid] = np.inf
    away[left != (start[0] < middle)] = np.inf
    volume = np.exp(random.uniform(np.log(least_ml), np.log(most_ml)))
    voxels = max(8, int(volume / VOXEL_ML))
    return away < np.partition(away, voxels, axis=None)[voxels]


def _physics(
    tissue: Tissue, share: np.ndarray, age: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the true ADC, and the signal without diffusion weighting (S0); *share* of a voxel is lesion."""
    import numpy as np

    shape = share.shape
    adc = tissue.mix(*(random.normal(*_ADC[name]) for name in _ADC)) * _texture(shape, random, 3, 0.04)
    core = random.uniform(*_CORE_ADC) * _texture(shape, random, 2, 0.07)
    adc = adc * (1 - share) + np.minimum(core, adc) * share
    shine = 1 + np.interp(age, *_T2_RISE) * share
    bias = np.exp(0.12 * _smooth(shape, random, 18))
    return adc, tissue.mix(**_S0) * _texture(shape, random, 6, 0.03) * shine * bias


def _old_scars(tissue: Tissue, random: np.random.Generator) -> np.ndarray:
    """Return where T2 shines through without a fresh lesion: bright in the DWI, and not dark in the ADC."""
    import numpy as np

    old = np.zeros(tissue.grey.shape, bool)
    for _ in range(random.integers(0, 5)):
        old |= _blob(tissue, random, 0.1, 4)
    return old


def _skull_base(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Return by how much air near the skull's base brightens the lower third."""
    import numpy as np

    bright = np.exp(0.9 * np.clip(_smooth(shape, random, 5) - 1.6, 0, None))
    bright[:, :, int(shape[2] * 0.33) :] = 1
    return bright


def _measured(
    adc: np.ndarray, s0: np.ndarray, healthy: np.ndarray, snr: float | None, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the DWI, and the ADC as it is computed from it and the image without weighting."""
    import numpy as np

    dwi = s0 * np.exp(-B_VALUE * adc * 1e-6)
    if snr is None:
        return dwi, np.clip(adc, 0, _LARGEST_ADC)
    spread = float(np.median(dwi[healthy])) / snr
    noisy_dwi, noisy_s0 = _rician(dwi, spread, random), _rician(s0, spread, random)
    measured = -np.log(np.maximum(noisy_dwi, 1) / np.maximum(noisy_s0, 1)) / B_VALUE * 1e6
    return noisy_dwi, np.clip(measured, 0, _LARGEST_ADC)


def _rician(signal: np.ndarray, spread: float, random: np.random.Generator) -> np.ndarray:
    import numpy as np

    real = signal + random.normal(0, spread, signal.shape)
    return np.hypot(real, random.normal(0, spread, signal.shape))


def _smooth(shape: tuple[int, ...], random: np.random.Generator, sigma: float) -> np.ndarray:
    """Return a smooth random field with a spread of 1; a very smooth one is made on a coarser grid."""
    import numpy as np
    from scipy import ndimage

    by = max(1, int(sigma // 3))
    coarse = [length // by + 2 for length in shape]
    field = ndimage.gaussian_filter(random.standard_normal(coarse, dtype=np.float32), sigma / by)
    if by > 1:
        for axis, length in enumerate(shape):
            field = _between(field, np.arange(length, dtype=np.float32) / by, axis)
    else:
        field = field[: shape[0], : shape[1], : shape[2]]
    return field / field.std()


def _between(field: np.ndarray, at: np.ndarray, axis: int) -> np.ndarray:
    """Return *field* at the places *at* along *axis*, interpolated between its own."""
    import numpy as np

    below = at.astype(int)
    share = (at - below).reshape([-1 if one == axis else 1 for one in range(3)])
    lower, upper = np.take(field, below, axis), np.take(field, below + 1, axis)
    return lower + (upper - lower) * share


def _texture(shape: tuple[int, ...], random: np.random.Generator, sigma: float, spread: float) -> np.ndarray:
    return 1 + spread * _smooth(shape, random, sigma)


def _soft(mask: np.ndarray, edges: float) -> np.ndarray:
    """Return the share of each voxel that *mask* has, its edges blurred by *edges* voxels; 0 is sharp."""
    from scipy import ndimage

    share: np.ndarray = ndimage.gaussian_filter(mask.astype("float32"), edges)
    return share
