"""What a result looks like: in the viewer, as pictures, and as files to take along."""

from __future__ import annotations

from typing import Any

import gradio as gr

from gradio_niivue import Label, ViewerData, Volume

from ..data import Case
from ..pictures import PREDICTION, REFERENCE
from ..segmentation import Result
from . import words

BACKGROUNDS = ["DWI", "ADC"]
OVERLAYS = ["Prediction", "Reference"]
_ADC_SHOWN = 2000  # 10⁻⁶ mm²/s


def content(case: Case, result: Result, background: str, overlays: list[str]) -> ViewerData:
    """Return what the viewer shows of *result*, its crosshair in the largest lesion."""
    shown = [Volume(case.dwi, name="DWI") if background == "DWI" else Volume(case.adc, name="ADC")]
    if "Prediction" in overlays:
        labels = {1: Label("prediction", PREDICTION)}
        shown.append(Volume(result.prediction, name="Prediction", labels=labels, opacity=0.55))
    if "Reference" in overlays and case.reference is not None:
        labels = {1: Label("reference", REFERENCE)}
        shown.append(Volume(case.reference, name="Reference", labels=labels, opacity=0.45))
    return ViewerData(shown, crosshair=result.facts["largest_lesion_mm"])


def panel(case: Case, result: Result, background: str, overlays: list[str]) -> tuple[Any, ...]:
    """Return the values of viewer, figures, slices, histogram and downloads."""
    return (
        content(case, result, background, overlays),
        words.figures(result.facts),
        gr.Image(str(result.folder / "montage.png"), visible=True),
        gr.Image(str(result.folder / "histogram.png"), visible=True),
        gr.Files([str(path) for path in result.downloads], visible=True),
    )
