"""The app: ``python -m stroke_deepisles_demo.ui.app``."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import gradio as gr

from spacehand_runtime.gradio import observe

from ..settings import Settings
from . import words
from .case_page import case_page
from .cohort_page import cohort_page
from .desk import Desk
from .endpoints import add_endpoints
from .traces import keep_copies_in

_STYLE = Path(__file__).with_name("style.css")
_FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Noto Sans", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "DejaVu Sans Mono", "monospace"]


def create_app(desk: Desk | None = None) -> gr.Blocks:
    """Return the page; `main` shows it as it is meant to look."""
    desk = desk or Desk(Settings.read())  # its workers start with the first order
    keep = max(1, int(desk.settings.keep_minutes * 60))
    deleting = (min(60, keep), keep)
    with gr.Blocks(title="Stroke lesions", analytics_enabled=False, delete_cache=deleting) as blocks:
        gr.HTML(words.HEADING)
        visitor = gr.BrowserState("", storage_key="stroke-visitor")
        with gr.Tabs():
            with gr.Tab("One case"):
                welcomed = case_page(desk, blocks, visitor)
            with gr.Tab("Many cases"):
                cohort_page(desk, visitor, welcomed)
        gr.HTML(words.FOOTER)
        add_endpoints(desk)
    return blocks


def main() -> None:
    """Show the page, and stay until the process is stopped."""
    settings = Settings.read()
    keep_copies_in(settings.copies)
    desk = Desk(settings)
    blocks = create_app(desk)
    blocks.queue(default_concurrency_limit=8).launch(
        theme=_theme(),
        css=_STYLE.read_text(encoding="utf-8"),
        app_kwargs=observe(blocks, desk.metrics),
        show_error=True,
        ssr_mode=False,
        footer_links=["api"],
        mcp_server=importlib.util.find_spec("mcp") is not None,  # comes with Gradio on a Space
        prevent_thread_lock=True,
    )
    desk.start()  # not before: Gradio gives its server few seconds to start, which the workers would take
    blocks.block_thread()


def _theme() -> gr.themes.Base:
    return gr.themes.Base(
        primary_hue="indigo", neutral_hue="slate", radius_size="lg", font=_FONT, font_mono=_MONO
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


if __name__ == "__main__":
    main()
