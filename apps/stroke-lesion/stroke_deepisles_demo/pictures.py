"""Slices with outlines, and a histogram; each figure is closed once it is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import NOT_FOR_CLINICAL_USE

if TYPE_CHECKING:
    import numpy as np

    from .scan import Scan

PREDICTION, REFERENCE = "#E69F00", "#56B4E9"  # told apart by colour-blind people: Okabe and Ito (2008)
_SLICES = 12
_ACROSS = 4


def draw_montage(scan: Scan, mask: np.ndarray, reference: np.ndarray | None, path: Path) -> None:
    """Write axial slices of the DWI to *path*, with the outlines of prediction and reference."""
    import numpy as np
    from matplotlib.figure import Figure

    dwi, masks = _upright(scan, mask, reference)
    top = float(np.percentile(dwi[dwi > 0], 99.5)) if (dwi > 0).any() else 1.0
    figure = Figure(figsize=(10, 8.6), facecolor="black", layout="constrained")
    for panel, level in zip(
        figure.subplots(_SLICES // _ACROSS, _ACROSS).flat, _levels(dwi, masks), strict=True
    ):
        panel.imshow(dwi[:, :, level].T, cmap="gray", vmin=0, vmax=top, origin="lower")
        for one, colour, style in zip(masks, (PREDICTION, REFERENCE), ("solid", "dashed"), strict=False):
            if one[:, :, level].any():
                panel.contour(one[:, :, level].T, [0.5], colors=colour, linewidths=1.4, linestyles=style)
        panel.set_axis_off()
        panel.set_title(f"slice {level + 1}", color="#cbd5e1", fontsize=9)
    legend = "orange: prediction" + ("   ·   blue, dashed: reference" if reference is not None else "")
    figure.suptitle(f"{legend}   ·   {NOT_FOR_CLINICAL_USE}", color="white", fontsize=12)
    figure.savefig(path, dpi=100)
    figure.clear()


def draw_histogram(scan: Scan, mask: np.ndarray, reference: np.ndarray | None, path: Path) -> None:
    """Write to *path* how the ADC is distributed, by volume, in the brain and in what was found."""
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.8), layout="constrained")
    panel = figure.subplots()
    edges = np.linspace(0, 2000, 81)
    groups: list[tuple[np.ndarray, str, dict[str, Any]]] = [
        (scan.brain & ~mask, "brain outside the prediction", {"color": "#94a3b8", "alpha": 0.45}),
        (mask, "prediction", {"color": PREDICTION, "alpha": 0.7}),
    ]
    if reference is not None:
        line = {"color": "#0369a1", "histtype": "step", "linewidth": 1.8, "linestyle": "--"}
        groups.append((reference, "reference", line))
    for where, label, look in groups:
        values = scan.adc[where]
        panel.hist(values, edges, weights=np.full(values.size, scan.voxel_ml), label=label, **look)
    panel.set_yscale("log")
    panel.set_xlabel("ADC, 10⁻⁶ mm²/s")
    panel.set_ylabel("volume, ml")
    panel.set_title(NOT_FOR_CLINICAL_USE, fontsize=9)  # in the middle: the page has buttons at the right
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False)
    figure.savefig(path, dpi=100)
    figure.clear()


def _upright(scan: Scan, *masks: np.ndarray | None) -> tuple[np.ndarray, list[np.ndarray]]:
    """
    Return the images with the patient's right on the right and the nose at the top, whatever the file's
    order.
    """
    import nibabel

    turn = nibabel.io_orientation(scan.affine)
    turned = [nibabel.apply_orientation(values, turn) for values in (scan.dwi, *masks) if values is not None]
    return turned[0], turned[1:]


def _levels(dwi: np.ndarray, masks: list[np.ndarray]) -> list[int]:
    """Return the slices to show: spread over the lesion, or over the brain if there is none."""
    import numpy as np

    shown = np.logical_or.reduce(masks) if any(mask.any() for mask in masks) else dwi > 0
    filled = np.flatnonzero(shown.any(axis=(0, 1)))
    low, high = (int(filled[0]), int(filled[-1])) if filled.size else (0, dwi.shape[2] - 1)
    missing = _SLICES - (high - low + 1)
    if missing > 0:
        low = max(0, min(low - missing // 2, dwi.shape[2] - _SLICES))
        high = min(dwi.shape[2] - 1, low + _SLICES - 1)
    return [round(level) for level in np.linspace(low, high, _SLICES)]
