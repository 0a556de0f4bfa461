"""Whether a transcript was right, in the visitor's eyes: a thumb up or down, counted and not kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from asr.service import Service
from asr.visitors import Unjudged

_QUIET: dict[str, Any] = {"api_visibility": "private", "queue": False, "show_progress": "hidden"}

Thumbs = tuple[gr.Row, gr.HTML, gr.Button, gr.Button]


def thumbs() -> Thumbs:
    """Return the row with its question and two buttons, hidden until there is something to judge."""
    with gr.Row(visible=False, elem_classes="asr-thumbs") as row:
        question = gr.HTML(_says("Is this right?"))
        up = gr.Button("👍 Right", size="sm", elem_id="thumb-up", min_width=90)
        down = gr.Button("👎 Wrong", size="sm", elem_id="thumb-down", min_width=90)
    return row, question, up, down


def offer(answered: Any, shown: Thumbs, unjudged: Unjudged) -> None:
    """Show the thumbs after the event *answered*."""
    row, question, up, down = shown

    def ask(request: gr.Request) -> tuple[Any, ...]:
        unjudged.answered(str(request.session_hash))
        show = gr.Button(visible=True)
        return gr.Row(visible=True), _says("Is this right?"), show, show

    answered.success(ask, None, [row, question, up, down], **_QUIET)


def connect(service: Service, shown: Thumbs, unjudged: Unjudged) -> None:
    """Count what is clicked, once for each transcript."""
    _, question, up, down = shown

    def judge(*, good: bool) -> Callable[[gr.Request], tuple[Any, ...]]:
        def count(request: gr.Request) -> tuple[Any, ...]:
            if unjudged.judged(str(request.session_hash)):
                service.metrics.feedback(good=good)
            hide = gr.Button(visible=False)
            return _says("Thank you, counted."), hide, hide

        return count

    for button, good in ((up, True), (down, False)):
        button.click(judge(good=good), None, [question, up, down], **_QUIET)


def _says(text: str) -> str:
    return f'<p class="asr-asked" role="status">{text}</p>'
