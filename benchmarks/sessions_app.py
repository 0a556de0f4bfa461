"""
An app whose pages stay open while somebody runs a long job.

Started as ``sessions_app.py gradio|shiny queue|thread PORT``.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from typing import Any

from spacehand_runtime import Queue

queue = Queue(workers=2, memory="400MB")


def hold(seconds: int) -> str:
    """Spend so many seconds in a C call that lets no other thread of its process run."""
    ctypes.PyDLL(None).sleep(seconds)
    return "held"


def eat(size: int) -> str:
    """Take *size* bytes."""
    return str(len(bytearray(size)))


JOBS = {"hold": hold, "eat": eat}


async def run(job: str, size: int) -> str:
    """Return what came of *job*, as this app's kind does it."""
    try:
        if sys.argv[2] == "queue":
            return await queue.submit(JOBS[job], size)
        return await asyncio.to_thread(JOBS[job], size)
    except MemoryError as error:
        return f"refused: {error}"


async def echo(connection: Any) -> None:
    """Answer each text by itself, as long as the page is open."""
    await connection.accept()
    async for text in connection.iter_text():
        await connection.send_text(text)


def gradio_app() -> Any:
    """Return a Gradio page, with a WebSocket beside it as other frameworks have one."""
    import gradio as gr
    from fastapi import FastAPI
    from starlette.routing import WebSocketRoute

    with gr.Blocks() as demo:
        job, size, answer = gr.Textbox("hold"), gr.Number(1, precision=0), gr.Textbox()
        gr.Button("Run").click(run, [job, size], answer, api_name="run")

    app = FastAPI()
    app.router.routes.append(WebSocketRoute("/websocket/", echo))
    return gr.mount_gradio_app(app, demo, path="/")


def shiny_app() -> Any:
    """Return a Shiny page; each session's own WebSocket is what clients open."""
    from shiny import App, Inputs, Outputs, Session, reactive, ui

    def server(input: Inputs, _output: Outputs, session: Session) -> None:  # noqa: A002 - Shiny's names
        @reactive.extended_task
        async def task(job: str, size: int) -> str:
            return await run(job, size)

        @reactive.effect
        @reactive.event(input.run)
        def start() -> None:
            task(*input.run())

        @reactive.effect
        async def answer() -> None:
            await session.send_custom_message("answer", task.result())

        @reactive.effect
        @reactive.event(input.echo)
        async def echo() -> None:
            await session.send_custom_message("echo", input.echo())

    return App(ui.page_fluid("page"), server)


def main() -> None:
    """Serve until this process is ended."""
    import uvicorn

    queue.start()
    app = gradio_app() if sys.argv[1] == "gradio" else shiny_app()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[3]), log_level="warning")


if __name__ == "__main__":
    main()
