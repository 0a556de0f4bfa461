"""
An app with viewers, told by its visitors what to show: ``app.py PORT [ROOT_PATH]``.

It runs in an environment of its own, from the installed wheel.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import gradio as gr

from gradio_niivue import Label, Mesh, NiivueViewer, ViewerData, Volume


def content(text: str) -> ViewerData:
    """Return what the JSON *text* describes."""
    told = json.loads(text)
    return ViewerData(
        volumes=[
            Volume(**volume | {"labels": labels(volume.get("labels"))}) for volume in told.get("volumes", [])
        ],
        meshes=[Mesh(**mesh) for mesh in told.get("meshes", [])],
        view=told.get("view"),
        options=told.get("options", {}),
        crosshair=told.get("crosshair"),
    )


def labels(told: dict[str, Any] | None) -> dict[int, Label] | None:
    return {int(value): Label(*label) for value, label in told.items()} if told else None


def said(name: str) -> Any:
    def say(event: gr.EventData) -> str:
        return json.dumps({"event": name, **event._data})

    return say


def seen(data: ViewerData) -> str:
    """Return what a handler gets for a viewer that is its input."""
    return json.dumps([[volume.title, str(volume.path), volume.colormap] for volume in data.volumes])


def build() -> gr.Blocks:
    with gr.Blocks(title="Viewers") as app:
        with gr.Tabs():
            with gr.Tab("One"):
                with gr.Row():
                    first = NiivueViewer(elem_id="first", label="First", report_location=True)
                    second = NiivueViewer(elem_id="second", label="Second", view="axial", height=300)
            with gr.Tab("Two"):
                third = NiivueViewer(elem_id="third", label="Third")
        box = {name: gr.Textbox(label=f"Show on {name}") for name in ("first", "second", "third")}
        with gr.Row():
            hide, show, look = (gr.Button(name) for name in ("Hide", "Show", "Look"))
        ready, failed, location, input_ = (
            gr.Textbox(label=label) for label in ("Ready", "Failed", "Location", "Input")
        )
        gr.HTML("<script>document.title = 'taken over'</script><p id='plain'>plain</p>")
        for name, viewer in (("first", first), ("second", second), ("third", third)):
            box[name].submit(
                content, box[name], viewer, api_name=name, trigger_mode="multiple", concurrency_limit=None
            )
            viewer.failed(said("failed"), None, failed, show_progress="hidden")
        first.ready(said("ready"), None, ready, show_progress="hidden")
        first.location(said("location"), None, location, show_progress="hidden", trigger_mode="always_last")
        hide.click(lambda: gr.update(visible=False), None, first)
        show.click(lambda: gr.update(visible=True), None, first)
        look.click(seen, first, input_)
    return app


if __name__ == "__main__":
    build().launch(
        server_name="127.0.0.1",
        server_port=int(sys.argv[1]),
        root_path=sys.argv[2] if len(sys.argv) > 2 else None,
    )
