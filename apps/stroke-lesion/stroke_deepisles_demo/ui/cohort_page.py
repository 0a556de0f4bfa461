"""The page for many cases: how far they are, each one's figures, and what they come to."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr
from gradio.events import Dependency

from spacehand_runtime import Job, JobState, RuntimeProblem

from .. import NOT_FOR_CLINICAL_USE
from ..batch import Outcome, summary, write_table
from ..errors import StrokeError
from . import words
from .desk import Desk

_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
_MOST = 40
_EMPTY = '<p class="stroke-count">No cohort has been run yet.</p>'


def cohort_page(desk: Desk, visitor: gr.BrowserState, welcomed: Dependency) -> None:
    """Draw the page and connect it; from the event *welcomed* on, *visitor* has a word."""
    count = min(_MOST, len(desk.dataset.ids()))
    with gr.Row():
        cases = gr.Slider(
            1, count, value=min(8, count), step=1, label="Cases, from the first", elem_id="many"
        )
        able = [name for name, _, refusal in desk.engines() if refusal is None]
        engine = gr.Radio(able, value=desk.preferred, label="Engine", elem_id="cohort-engine")
    with gr.Row():
        run = gr.Button("Segment them all", variant="primary", elem_id="run-cohort", interactive=False)
        cancel = gr.Button("Cancel", elem_id="cancel-cohort", interactive=False)
    table = gr.HTML(_EMPTY, elem_id="cohort")
    files = gr.Files(label="Take along", visible=False, interactive=False, elem_id="cohort-files")
    timer = gr.Timer(1.0, active=False)
    shown = [table, files, cancel, timer]
    look = _looker(desk)
    run.click(_starter(desk), [visitor, cases, engine], shown, **_PRIVATE)
    timer.tick(look, visitor, shown, trigger_mode="once", **_PRIVATE)
    cancel.click(_canceller(desk), visitor, None, **_PRIVATE).then(look, visitor, shown, **_PRIVATE)
    welcomed.then(look, visitor, shown, **_PRIVATE)
    welcomed.then(lambda: gr.Button(interactive=True), None, run, **_PRIVATE)


def _starter(desk: Desk) -> Callable[..., tuple[Any, ...]]:
    def start(visitor: str, count: int, engine: str) -> tuple[Any, ...]:
        try:
            jobs = desk.order_cohort(visitor, int(count), engine)
        except (StrokeError, RuntimeProblem) as error:
            return words.refusal(error), gr.skip(), gr.Button(interactive=False), gr.Timer(active=False)
        return _table(desk, jobs), gr.Files(visible=False), gr.Button(interactive=True), gr.Timer(active=True)

    return start


def _looker(desk: Desk) -> Callable[[str], tuple[Any, ...]]:
    def look(visitor: str) -> tuple[Any, ...]:
        jobs = desk.cohort(visitor) if visitor else {}
        if not jobs:
            return _EMPTY, gr.Files(visible=False), gr.Button(interactive=False), gr.Timer(active=False)
        working = not all(job.state.is_settled for job in jobs.values())
        files = gr.Files(visible=False) if working else _files(desk, visitor, jobs)
        return _table(desk, jobs), files, gr.Button(interactive=working), gr.Timer(active=working)

    return look


def _canceller(desk: Desk) -> Callable[[str], None]:
    def cancel(visitor: str) -> None:
        for job in desk.cohort(visitor).values():
            job.cancel()

    return cancel


def _files(desk: Desk, visitor: str, jobs: dict[str, Job[str]]) -> gr.Files:
    folder = desk.folder_of(visitor) / "cohort"
    folder.mkdir(parents=True, exist_ok=True)
    write_table([_outcome(desk, case_id, job) for case_id, job in jobs.items()], folder)
    return gr.Files([str(folder / "batch.csv"), str(folder / "batch.json")], visible=True)


def _table(desk: Desk, jobs: dict[str, Job[str]]) -> str:
    """Return how far each case is, and what those that are done come to."""
    done = [_outcome(desk, case_id, job) for case_id, job in jobs.items() if job.state.is_settled]
    told = summary(done)
    mean = "–" if told["mean_dice"] is None else f"{told['mean_dice']:.4f}"
    cells = [("Done", f"{told['done']} of {len(jobs)}"), ("Mean Dice", mean), ("Failed", str(told["failed"]))]
    figures = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in cells)
    rows = "".join(_row(desk, case_id, job) for case_id, job in jobs.items())
    return (
        f'<dl class="stroke-figures">{figures}</dl><div class="stroke-scroll"><table class="stroke-table">'
        "<thead><tr><th>Case</th><th>Dice</th><th>Volume</th><th>Reference</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div><p><strong>{NOT_FOR_CLINICAL_USE}.</strong></p>"
    )


def _row(desk: Desk, case_id: str, job: Job[str]) -> str:
    if not job.state.is_settled:
        text = (
            "waiting" if job.state is JobState.PENDING else f"{job.progress.fraction:.0%} {job.progress.text}"
        )
        return f'<tr><td>{escape(case_id)}</td><td colspan="3" class="stroke-later">{escape(text)}</td></tr>'
    outcome = _outcome(desk, case_id, job)
    if outcome.facts is None:
        said = escape(outcome.error or "")
        return f'<tr><td>{escape(case_id)}</td><td colspan="3" class="stroke-wrong">{said}</td></tr>'
    facts = outcome.facts
    dice = "undefined" if facts["dice"] is None else f"{facts['dice']:.4f}"
    reference = "–" if facts["reference_ml"] is None else f"{facts['reference_ml']:.1f} ml"
    cells = (escape(case_id), dice, f"{facts['volume_ml']:.1f} ml", reference)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _outcome(desk: Desk, case_id: str, job: Job[str]) -> Outcome:
    """Return what came of a job that is settled."""
    try:
        facts = desk.result(job).facts
    except (StrokeError, RuntimeProblem) as error:
        return Outcome(case_id, "", error=str(error))
    return Outcome(case_id, facts["engine"], facts)
