"""The page and the endpoint ``/transcribe``."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import Response
from fastapi.routing import APIRoute

from asr import audio, facts, feedback, languages, live_page, transcript
from asr.errors import AppError, SettingsError
from asr.service import Service
from asr.settings import Settings
from asr.visitors import Unjudged, client

_STYLE = Path(__file__).with_name("style.css")
_FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Noto Sans", "sans-serif"]
_KEPT = (600, 3600)  # seconds: how often old recordings are looked for, and when one is old
# A screen reader reads a transcript out when it comes; what is inside says whether it is still growing.
_SPOKEN = "() => document.getElementById('transcript').setAttribute('aria-live', 'polite')"
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "DejaVu Sans Mono", "monospace"]


def prepare() -> tuple[gr.Blocks, Service]:
    """Return the page and the service behind it, which has no model yet."""
    service = _service()
    return page(service), service


def launch(demo: gr.Blocks, service: Service) -> None:
    """
    Show the page, load the model meanwhile, and stay until the process is stopped.

    The page comes first: Gradio gives its server five seconds to start, and says that no port is free when a
    model that is loaded beside it takes the processors for longer.
    """
    demo.queue(default_concurrency_limit=4).launch(
        theme=_theme(),
        css=_STYLE.read_text(encoding="utf-8"),
        head=live_page.head(),
        app_kwargs={"routes": [_metrics_route(service), *live_page.routes(service)]},
        show_error=True,
        ssr_mode=False,
        footer_links=["api"],
        mcp_server=importlib.util.find_spec("mcp") is not None,  # comes with Gradio on a Space
        prevent_thread_lock=True,
    )
    service.start()
    demo.block_thread()


def page(service: Service) -> gr.Blocks:
    """Return the page of *service*."""
    settings = service.settings
    with gr.Blocks(title=settings.title, analytics_enabled=False, delete_cache=_KEPT) as blocks:
        gr.HTML(facts.heading(settings))
        status = gr.HTML(facts.status(service))
        with gr.Row(equal_height=False, elem_classes="asr-main"):
            with gr.Column(scale=5, min_width=300):
                asked, live, buttons = _asking(settings)
            with gr.Column(scale=6, min_width=300):
                text = gr.HTML(transcript.EMPTY, elem_id="transcript")
                thumbs = feedback.thumbs()
                with gr.Accordion("Words and times", open=False):
                    words = gr.HTML("<p>There is no transcript yet.</p>")
                with gr.Accordion("Answer as JSON", open=False):
                    answer = gr.JSON(show_label=False, elem_id="answer")
        served = gr.HTML(facts.served(service))
        timer = gr.Timer(1.0)
        unjudged = Unjudged()
        for answered in (
            _connect(service, asked, answer, text),
            live_page.connect(service, buttons, asked[1], answer),
        ):
            drawn = answered.success(
                _drawn, answer, [text, words], api_visibility="private", show_progress="hidden"
            )
            feedback.offer(drawn, thumbs, unjudged)
        feedback.connect(service, thumbs, unjudged)
        _keep_up_to_date(service, blocks, timer, (status, served, asked[1], live))
        _count_visits(service, blocks, unjudged)
    return blocks


def _asking(
    settings: Settings,
) -> tuple[tuple[gr.Audio, gr.Dropdown, gr.Button], gr.Tab, tuple[gr.Button, gr.Button]]:
    language = gr.Dropdown(
        languages.choices(),
        value=languages.DETECT,
        label="Language",
        elem_id="language",
        allow_custom_value=True,  # a program may say `en-US`, and gets our own message for `xx`
    )
    with gr.Tabs():
        with gr.Tab("Recording", id="recording"):
            recording = gr.Audio(
                sources=["upload", "microphone"],
                type="filepath",
                label="Recording",
                elem_id="recording",
                buttons=["download"],
            )
            button = gr.Button("Transcribe", variant="primary", size="lg", elem_id="transcribe")
            if settings.examples:
                _examples(settings, recording, language)
        live, speak, stopped = live_page.tab()
    return (recording, language, button), live, (speak, stopped)


def _connect(
    service: Service, asked: tuple[gr.Audio, gr.Dropdown, gr.Button], answer: gr.JSON, text: gr.HTML
) -> Any:
    recording, language, button = asked
    return button.click(
        _transcriber(service),
        [recording, language],
        answer,
        api_name="transcribe",
        api_description="Transcribe a recording; every word comes with its confidence.",
        concurrency_limit=1,  # one model: a second request would only slow the first
        show_progress_on=text,
    )


def _transcriber(service: Service) -> Callable[..., dict[str, Any]]:
    def transcribe(audio: str | None, language: str | None, request: gr.Request) -> dict[str, Any]:
        """
        Transcribe speech; every word comes with its times in seconds and the model's confidence, 0 to 1.

        Args:
            audio: the recording, as an address or a path; any usual audio or video format
            language: a code such as `en`, or `auto` to detect it
        """
        try:
            return service.transcribe(audio, language, client(request))
        except AppError as error:
            # An expected refusal: the visitor reads it, the log needs no traceback.
            raise gr.Error(str(error), title="Not transcribed", print_exception=False) from error

    return transcribe


def _keep_up_to_date(
    service: Service,
    blocks: gr.Blocks,
    timer: gr.Timer,
    shown: tuple[gr.HTML, gr.HTML, gr.Dropdown, gr.Tab],
) -> None:
    gr.on(
        [blocks.load, timer.tick],
        _looker(service),
        None,
        [*shown, timer],
        api_visibility="private",
        queue=False,
        show_progress="hidden",
    )


def _drawn(answer: dict[str, Any]) -> tuple[str, str]:
    return transcript.panel(answer), transcript.rows(answer)


def _looker(service: Service) -> Callable[[], tuple[Any, ...]]:
    """Return what keeps the page up to date while the model is being loaded; the timer then stops itself."""

    def look() -> tuple[Any, ...]:
        menu: Any = gr.skip()
        if service.model:
            menu = _menu(service.model.engine.languages)
        ticking = gr.Timer(active=not service.is_settled)
        live = gr.Tab(visible=service.is_live)
        return facts.status(service), facts.served(service), menu, live, ticking

    return look


def _menu(known: Sequence[str]) -> gr.Dropdown:
    choices = languages.choices(known)
    if len(choices) > 1:
        return gr.Dropdown(choices=choices, value=languages.DETECT)
    only = choices[0][0]
    return gr.Dropdown(
        choices=choices, value=choices[0][1], info=f"This model understands {only} only", interactive=False
    )


def _count_visits(service: Service, blocks: gr.Blocks, unjudged: Unjudged) -> None:
    def began(request: gr.Request) -> None:
        service.metrics.session_began(str(request.session_hash))

    def ended(request: gr.Request) -> None:
        session = str(request.session_hash)
        service.metrics.session_ended(session)
        unjudged.left(session)

    blocks.load(began, None, None, api_visibility="private", queue=False, show_progress="hidden", js=_SPOKEN)
    blocks.unload(ended)


def _examples(settings: Settings, recording: gr.Audio, language: gr.Dropdown) -> None:
    gr.Examples(
        [[example.audio, example.language] for example in settings.examples],
        [recording, language],
        label="Nothing to say? Try this",
        example_labels=[example.label for example in settings.examples],
        cache_examples=False,
        api_visibility="private",
    )


def _service() -> Service:
    try:
        return Service(Settings.read(), read_audio=audio.read, reader=audio.PieceReader)
    except SettingsError as error:
        # The page still comes up and says what is wrong; a crash would only show a log to the owner.
        service = Service(
            Settings(model_id="Speech to text"), read_audio=audio.read, reader=audio.PieceReader
        )
        service.refuse(str(error))
        return service


def _metrics_route(service: Service) -> APIRoute:
    def metrics() -> Response:
        return Response(service.metrics.to_json(), media_type="application/json")

    return APIRoute("/spacehand/metrics.json", metrics, methods=["GET"])


def _theme() -> gr.themes.Base:
    return gr.themes.Base(
        primary_hue="teal", neutral_hue="slate", radius_size="lg", font=_FONT, font_mono=_MONO
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_600",
        button_primary_text_color="white",
        block_shadow="none",
        # Gradio's own is too pale to read on white.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_label_text_color="*neutral_600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
    )
