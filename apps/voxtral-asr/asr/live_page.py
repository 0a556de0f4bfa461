"""The tab in which the text grows while one speaks, and the addresses its script talks to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from asr import transcript
from asr.errors import AppError, AudioError, TooManyError
from asr.service import Service
from asr.visitors import client

_SCRIPT = Path(__file__).with_name("live.js")
_PATIENCE = 0.5  # seconds an answer waits for the next hearing
_MOST_BYTES = 4_000_000  # of one piece: what a slow line has held back for 20 s
_RATES = (8_000, 192_000)  # Hz; what sound cards have


def head() -> str:
    """Return what the page's head needs: the script of the microphone."""
    return f"<script>{_SCRIPT.read_text(encoding='utf-8')}</script>"


def tab() -> tuple[gr.Tab, gr.Button, gr.Button]:
    """Return the tab, hidden until the model is known to be fast enough, its button, and one for its end."""
    with gr.Tab("Live", id="live", visible=False) as live:
        gr.HTML(
            '<p class="asr-note">Speak, and read along. Grey words may still change. '
            "When you stop, all is heard once more.</p>"
        )
        speak = gr.Button("Start speaking", variant="primary", size="lg", elem_id="speak")
        # Clicked by the script: what comes then is a transcript as any other, and Gradio's to draw.
        stopped = gr.Button("Show the transcript", elem_id="stopped", elem_classes="asr-hidden")
    return live, speak, stopped


def connect(
    service: Service, buttons: tuple[gr.Button, gr.Button], language: gr.Dropdown, answer: gr.JSON
) -> Any:
    """Give the *buttons* their work; return the event that ends with an *answer*."""
    speak, stopped = buttons
    speak.click(
        None,
        language,
        None,
        js="(language) => asrLive.toggle(language)",
        api_visibility="private",
        queue=False,
    )
    name = gr.Textbox(visible="hidden")  # the script says which talk is meant

    def conclude(name: str) -> dict[str, Any]:
        try:
            return service.conclude(name)
        except AppError as error:
            raise gr.Error(str(error), title="Not transcribed", print_exception=False) from error

    return stopped.click(conclude, name, answer, js="() => asrLive.name", api_visibility="private")


def routes(service: Service) -> list[APIRoute]:
    """Return the addresses to which the script sends sound, and which answer with text."""

    async def begin(request: Request) -> JSONResponse:
        said = await request.json()
        try:
            rate = int(said["rate"])
            if not _RATES[0] <= rate <= _RATES[1]:
                raise AudioError("The microphone's rate is unknown")
            name = service.listen(said.get("language"), rate, client(request))
        except AppError as error:
            return _refused(error)
        return JSONResponse({"name": name, "html": transcript.growing("", "")})

    async def add(name: str, request: Request) -> JSONResponse:
        try:
            sound = await _body(request)
            kept, still_open, is_over = await run_in_threadpool(_exchange, service, name, sound)
        except AppError as error:
            return _refused(error)
        html = transcript.growing(kept, still_open)
        return JSONResponse({"kept": kept, "open": still_open, "over": is_over, "html": html})

    async def leave(name: str) -> JSONResponse:
        service.live.forget(name)
        return JSONResponse({})

    return [
        APIRoute("/asr/live", begin, methods=["POST"]),
        APIRoute("/asr/live/{name}", add, methods=["POST"]),
        APIRoute("/asr/live/{name}/leave", leave, methods=["POST"]),
    ]


def _exchange(service: Service, name: str, sound: bytes) -> tuple[str, str, bool]:
    talk = service.live.add(name, sound)
    return *talk.text(_PATIENCE), talk.is_over


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise AudioError("The line is too slow to write along")
    return bytes(body[: len(body) // 2 * 2])


def _refused(error: AppError) -> JSONResponse:
    status = 429 if isinstance(error, TooManyError) else 400
    return JSONResponse({"error": str(error), "html": transcript.refused(str(error))}, status)
