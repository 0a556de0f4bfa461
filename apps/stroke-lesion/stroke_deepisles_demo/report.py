"""A page for one result: figures, slices and a histogram in one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import NOT_FOR_CLINICAL_USE
from .pictures import draw_histogram, draw_montage

if TYPE_CHECKING:
    import numpy as np

    from .scan import Scan
    from .segmentation import Result

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #0f172a; max-width: 60rem; margin: 2rem auto; padding:
0 1rem; } .warning { background: #fef3c7; border-left: 6px solid #b45309; padding: .6rem 1rem; font-weight:
600; } table { border-collapse: collapse; margin: 1rem 0; } th { text-align: left; padding-right: 2rem;
font-weight: 500; color: #475569; } th, td { padding-top: .25rem; padding-bottom: .25rem; border-bottom:
1px solid #e2e8f0; vertical-align: top; overflow-wrap: anywhere; } img { max-width: 100%; height: auto; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } code { font-size: .85em; }
"""


def write_report(result: Result, scan: Scan, mask: np.ndarray, reference: np.ndarray | None) -> None:
    """Write ``montage.png``, ``histogram.png`` and ``report.html`` beside the prediction."""
    montage, histogram = result.folder / "montage.png", result.folder / "histogram.png"
    draw_montage(scan, mask, reference, montage)
    draw_histogram(scan, mask, reference, histogram)
    page = _page(result.facts, montage, histogram)
    (result.folder / "report.html").write_text(page, encoding="utf-8")


def rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a person reads of a result, as pairs of words."""
    shown = [
        ("Case", facts["case"] + (" (synthetic)" if facts["synthetic"] else "")),
        ("Engine", facts["engine"]),
        ("Contributed", ", ".join(facts["contributed"])),
        ("Dice", facts["dice_text"]),
        ("Volume", f"{facts['volume_ml']:.2f} ml in {_pieces(facts['lesions'])}"),
    ]
    if facts["reference_ml"] is not None:
        pieces = _pieces(facts["reference_lesions"])
        shown.append(("Reference", f"{facts['reference_ml']:.2f} ml in {pieces}"))
    if facts["model_id"]:
        shown.append(("Model", f"{facts['model_id']} {facts['revision'] or ''}".strip()))
    shown.append(("Seconds", f"{facts['seconds']:.1f}"))
    return shown + [("Note", note) for note in facts["notes"]]


def _pieces(count: int) -> str:
    return "1 piece" if count == 1 else f"{count} pieces"


def _page(facts: dict[str, Any], montage: Path, histogram: Path) -> str:
    details = [*rows(facts), *((name, version) for name, version in facts["versions"].items())]
    details += [(f"SHA-256 of the {name}", value) for name, value in facts["inputs_sha256"].items()]
    table = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in details
    )
    title = escape(f"{facts['case']}, {facts['engine']}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f'<h1>{title}</h1><p class="warning">{NOT_FOR_CLINICAL_USE}. Research software; nobody has approved '
        f"it.</p><table>{table}</table><h2>Slices</h2>"
        f'<img alt="Slices of the DWI with outlines" src="{_inline(montage)}">'
        f'<h2>ADC</h2><img alt="Histogram of the ADC" src="{_inline(histogram)}"></html>\n'
    )


def _inline(picture: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()
