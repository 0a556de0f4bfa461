"""The pieces of the page that are words and figures, as HTML."""

from __future__ import annotations

from html import escape
from typing import Any

from spacehand_runtime import Job, JobState

from .. import NOT_FOR_CLINICAL_USE

HEADING = f"""
<header class="stroke-head">
  <h1>Stroke lesions in diffusion MRI</h1>
  <p>Choose an examination, let an engine outline the lesion, look at it in three dimensions, and see what the
  figures say.</p>
  <p class="stroke-warning" role="note"><strong>{NOT_FOR_CLINICAL_USE}.</strong>
  Research software: nobody has approved it, and no figure here is a finding.</p>
</header>
"""
FOOTER = f"""
<footer class="stroke-foot"><strong>{NOT_FOR_CLINICAL_USE}.</strong>
Synthetic cases are nobody's: they are made from the MNI152 template (copyright McConnell Brain Imaging
Centre, McGill University).
</footer>
"""
IDLE = '<div class="stroke-status" role="status"><p>Nothing has been run yet.</p></div>'


def status(job: Job[Any]) -> str:
    """Return where *job* is, for people."""
    if job.state is JobState.PENDING:
        ahead = max(job.position - 1, 0)
        queue = "It is next" if ahead == 0 else f"{ahead} before it"
        return _working(0.0, f"Waiting. {queue}{_eta(job)}")
    if job.state is JobState.RUNNING:
        return _working(job.progress.fraction, f"{job.progress.text or 'Starting'}{_eta(job)}")
    if job.state is JobState.CANCELLED:
        return '<div class="stroke-status" role="status"><p>Cancelled.</p></div>'
    return '<div class="stroke-status stroke-done" role="status"><p>Done.</p></div>'


def _eta(job: Job[Any]) -> str:
    return "" if job.eta is None else f", about {max(1, round(job.eta))} s left"


def _working(fraction: float, text: str) -> str:
    percent = round(100 * min(max(fraction, 0), 1))
    return (
        '<div class="stroke-status" role="status"><span class="stroke-spinner" aria-hidden="true"></span>'
        f'<div class="stroke-progress"><p>{escape(text)}</p>'
        f'<progress max="100" value="{percent}" aria-label="Progress">{percent} %</progress></div></div>'
    )


def refusal(error: Exception) -> str:
    """Return why something did not work, and the next step."""
    message, hint = getattr(error, "message", str(error)), getattr(error, "hint", None)
    more = f"<p>{escape(_capital(hint))}.</p>" if hint else ""
    return (
        '<div class="stroke-status stroke-failed" role="alert"><div>'
        f"<p><strong>{escape(message)}.</strong></p>{more}</div></div>"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".")


def figures(facts: dict[str, Any]) -> str:
    """Return the figures of a result, and what has to be known about them."""
    cells = [
        ("Dice", *_dice(facts)),
        ("Volume", f"{facts['volume_ml']:.1f} ml", _beside(facts, "reference_ml", "ml, reference")),
        ("Lesions", str(facts["lesions"]), _beside(facts, "reference_lesions", "in the reference")),
        ("Time", f"{facts['seconds']:.1f} s", facts["engine"]),
    ]
    shown = "".join(
        f"<div><dt>{name}</dt><dd>{escape(value)}<small>{escape(more)}</small></dd></div>"
        for name, value, more in cells
    )
    said = [f"From {', '.join(facts['contributed'])}.", *(f"{note}." for note in facts["notes"])]
    if facts["synthetic"]:
        said.append("Synthetic case: nobody's images.")
    notes = "".join(f"<li>{escape(one)}</li>" for one in said)
    notes += f"<li><strong>{NOT_FOR_CLINICAL_USE}.</strong></li>"
    return f'<dl class="stroke-figures">{shown}</dl><ul class="stroke-notes">{notes}</ul>'


def _dice(facts: dict[str, Any]) -> tuple[str, str]:
    if facts["dice"] is not None:
        return f"{facts['dice']:.4f}", "1 is full agreement"
    if facts["reference_ml"] is None:
        return "–", "no reference to compare with"
    return "undefined", "neither mask has a lesion"


def _beside(facts: dict[str, Any], key: str, words: str) -> str:
    value = facts[key]
    if value is None:
        return ""
    return f"{value:.1f} {words}" if isinstance(value, float) else f"{value} {words}"
