"""The page for one case: choose, run, look."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import Dependency

from gradio_niivue import NiivueViewer
from spacehand_runtime import Job, JobState, RuntimeProblem

from ..errors import StrokeError
from . import show, words
from .desk import Desk
from .picker import Picker

_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
_LOOK_EVERY = 1.0  # seconds; short requests, which no gateway cuts


@dataclass
class _Parts:
    """The components that events read and write."""

    chosen: gr.Radio
    dwi: gr.File
    adc: gr.File
    engine: gr.Radio
    run_case: gr.Button
    run_own: gr.Button
    cancel: gr.Button
    forget: gr.Button
    status: gr.HTML
    background: gr.Radio
    overlays: gr.CheckboxGroup
    results: list[Any]  # viewer, figures, slices, histogram, downloads


def case_page(desk: Desk, blocks: gr.Blocks, visitor: gr.BrowserState) -> Dependency:
    """
    Draw the page and connect it, and return the event after which *visitor* has the word that a browser is
    known by.
    """
    with gr.Row(equal_height=False, elem_classes="stroke-main"):
        with gr.Column(scale=4, min_width=300):
            chosen, run_case, dwi, adc, run_own, forget = _asking(desk)
            engine = _engine(desk)
            status = gr.HTML(words.IDLE, elem_id="status")
            cancel = gr.Button("Cancel", visible=False, elem_id="cancel")
        with gr.Column(scale=7, min_width=300):
            viewer = NiivueViewer(height=460, label="Images and lesions", elem_id="viewer")
            with gr.Row(elem_classes="stroke-layers"):
                background = gr.Radio(show.BACKGROUNDS, value="DWI", label="Image", elem_id="background")
                overlays = gr.CheckboxGroup(
                    show.OVERLAYS, value=show.OVERLAYS, label="Over it", elem_id="overlays"
                )
            figures = gr.HTML(elem_id="figures")
            pictures = [
                gr.Image(label=label, visible=False, buttons=["download", "fullscreen"], elem_id=name)
                for label, name in (("Slices", "slices"), ("ADC, by volume", "histogram"))
            ]
            files = gr.Files(label="Take along", visible=False, interactive=False, elem_id="files")
    return _connect(
        desk,
        blocks,
        visitor,
        _Parts(
            chosen,
            dwi,
            adc,
            engine,
            run_case,
            run_own,
            cancel,
            forget,
            status,
            background,
            overlays,
            [viewer, figures, *pictures, files],
        ),
    )


def _asking(desk: Desk) -> tuple[Any, ...]:
    with gr.Tabs():
        with gr.Tab(desk.dataset.name):
            chosen = Picker(desk.dataset.ids()).chosen
            # Not to be pressed before the page knows its visitor, who would not find the result again.
            run_case = gr.Button(
                "Segment this case", variant="primary", size="lg", elem_id="run-case", interactive=False
            )
        with gr.Tab("Your own images"):
            gr.HTML(
                '<p class="stroke-own">A skull-stripped DWI (b = 1000) and its ADC map, <code>.nii</code> or '
                "<code>.nii.gz</code>, without anything that names a person. They are kept for "
                f"{desk.settings.keep_minutes:g} minutes, for you alone, and deleted when you say so.</p>"
            )
            dwi = gr.File(label="DWI", file_types=[".nii", ".gz"], height=110, elem_id="dwi")
            adc = gr.File(label="ADC", file_types=[".nii", ".gz"], height=110, elem_id="adc")
            run_own = gr.Button(
                "Segment these images", variant="primary", size="lg", elem_id="run-own", interactive=False
            )
            forget = gr.Button("Delete my images and results now", size="sm", elem_id="forget")
    return chosen, run_case, dwi, adc, run_own, forget


def _engine(desk: Desk) -> gr.Radio:
    choices = [(f"{name}: {about}", name) for name, about, refusal in desk.engines() if refusal is None]
    missing = "; ".join(f"{name}: {refusal}" for name, _, refusal in desk.engines() if refusal)
    info = f"Not here: {missing}" if missing else None
    return gr.Radio(choices, value=desk.preferred, label="Engine", info=info, elem_id="engine")


def _connect(desk: Desk, blocks: gr.Blocks, visitor: gr.BrowserState, parts: _Parts) -> Dependency:
    shown = gr.State("")  # the id of the job whose result is on the page
    timer = gr.Timer(_LOOK_EVERY, active=False)
    layers = [parts.background, parts.overlays]
    working = [parts.status, parts.cancel, timer]
    looked: dict[str, Any] = {"outputs": [*working, shown, *parts.results], **_PRIVATE}
    look = _looker(desk)
    started = gr.on(
        [parts.run_case.click],
        _orderer(desk.order_case),
        [visitor, parts.chosen, parts.engine],
        working,
        **_PRIVATE,
    )
    started_own = gr.on(
        [parts.run_own.click],
        _orderer(desk.order_own),
        [visitor, parts.dwi, parts.adc, parts.engine],
        working,
        **_PRIVATE,
    )
    for event in (started, started_own):
        event.success(look, [visitor, shown, *layers], **looked)
    # One look at a time: a slow one is not overtaken by the next.
    timer.tick(look, [visitor, shown, *layers], trigger_mode="once", **looked)
    welcomed = blocks.load(_welcome, visitor, [visitor, parts.run_case, parts.run_own], **_PRIVATE)
    welcomed.then(look, [visitor, shown, *layers], **looked)
    parts.cancel.click(_canceller(desk), visitor, working, **_PRIVATE)
    gr.on(
        [parts.background.change, parts.overlays.change],
        _painter(desk),
        [visitor, shown, *layers],
        parts.results[0],
        **_PRIVATE,
    )
    parts.forget.click(
        _forgetter(desk),
        [visitor, parts.dwi, parts.adc],
        [parts.dwi, parts.adc, shown, *working, *parts.results],
        **_PRIVATE,
    )
    return welcomed


def _welcome(visitor: str | None) -> tuple[Any, ...]:
    """Return the word this browser is known by, a new one if it has none, and let it order."""
    ready = gr.Button(interactive=True)
    return visitor or secrets.token_urlsafe(24), ready, ready


def _orderer(order: Callable[..., Job[str]]) -> Callable[..., tuple[Any, ...]]:
    def start(*asked: Any) -> tuple[Any, ...]:
        try:
            job = order(*asked)
        except (StrokeError, RuntimeProblem) as error:
            return words.refusal(error), gr.Button(visible=False), gr.Timer(active=False)
        return words.status(job), gr.Button(visible=True), gr.Timer(active=True)

    return start


def _looker(desk: Desk) -> Callable[..., tuple[Any, ...]]:
    """Return what shows where the visitor's job is, and its result once it is there."""

    def look(visitor: str, shown: str, background: str, overlays: list[str]) -> tuple[Any, ...]:
        job = desk.job(visitor) if visitor else None
        keep = [gr.skip()] * 5
        if job is None:
            return gr.skip(), gr.Button(visible=False), gr.Timer(active=False), shown, *keep
        if not job.state.is_settled:
            return words.status(job), gr.Button(visible=True), gr.Timer(active=True), shown, *keep
        settled = (gr.Button(visible=False), gr.Timer(active=False))
        if job.state is JobState.CANCELLED or job.id == shown:
            return words.status(job) if job.id != shown else gr.skip(), *settled, shown, *keep
        try:
            result = desk.result(job)
            panel = show.panel(desk.case(result), result, background, overlays)
        except (StrokeError, RuntimeProblem) as error:
            return words.refusal(error), *settled, shown, *keep
        return words.status(job), *settled, job.id, *panel

    return look


def _canceller(desk: Desk) -> Callable[[str], tuple[Any, ...]]:
    def cancel(visitor: str) -> tuple[Any, ...]:
        if (job := desk.job(visitor)) is None:
            return words.IDLE, gr.Button(visible=False), gr.Timer(active=False)
        job.cancel()
        return words.status(job), gr.Button(visible=False), gr.Timer(active=False)

    return cancel


def _painter(desk: Desk) -> Callable[..., Any]:
    def paint(visitor: str, shown: str, background: str, overlays: list[str]) -> Any:
        job = next((job for job in desk.jobs(visitor) if job.id == shown), None) if shown else None
        if job is None:
            return gr.skip()
        try:
            result = desk.result(job)
            return show.content(desk.case(result), result, background, overlays)
        except StrokeError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return paint


def _forgetter(desk: Desk) -> Callable[..., tuple[Any, ...]]:
    def forget(visitor: str, *uploads: str | None) -> tuple[Any, ...]:
        count = desk.forget(visitor, [path for path in uploads if path])
        said = f'<div class="stroke-status stroke-done" role="status"><p>Deleted: {count} files.</p></div>'
        empty = (
            None,
            "",
            gr.Image(None, visible=False),
            gr.Image(None, visible=False),
            gr.Files(None, visible=False),
        )
        return None, None, "", said, gr.Button(visible=False), gr.Timer(active=False), *empty

    return forget
