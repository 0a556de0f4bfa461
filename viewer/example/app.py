"""A computed head with a lesion of any size, in NiiVue."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import gradio as gr
from head import Head

from gradio_niivue import Label, NiivueViewer, ViewerData, Volume

HEAD = Head()
FOLDER = Path(tempfile.mkdtemp(prefix="head-"))
RED = "#FF3B30"
# System fonts: no visitor's browser has to ask another site for one.
THEME = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def draw(radius: float, color: str = RED) -> tuple[ViewerData, str]:
    """Return the head with a lesion of *radius* mm in *color*, and how large that lesion is."""
    radius = min(max(round(radius), 4), 30)
    path = FOLDER / f"lesion-{radius}.nii.gz"
    if not path.exists():
        HEAD.write_lesion(path, radius)
    head = Volume(FOLDER / "head.nii.gz", name="Head", cal_min=0, cal_max=1100)
    lesion = Volume(path, name="Lesion", labels={1: Label("lesion", hexadecimal(color))})
    return ViewerData([head, lesion]), f"{HEAD.lesion_ml(radius):.1f} ml"


def hexadecimal(color: str) -> str:
    """Return *color* as ``#rrggbb``; Gradio's picker may write ``rgba(255, 59, 48, 1)``."""
    if color.startswith("#"):
        return color
    parts = re.findall(r"[\d.]+", color)[:3]
    return "#" + "".join(f"{round(float(part)):02X}" for part in parts)


def tell(event: gr.EventData) -> str:
    """Return the place of the crosshair in words."""
    values = ", ".join(
        f"{value['name']} {value.get('label') or round(value['value'])}" for value in event.values
    )
    return f"Voxel {event.voxel}: {values}"


def build() -> gr.Blocks:
    """Return the page."""
    HEAD.write(FOLDER / "head.nii.gz")
    value, volume = draw(18)
    with gr.Blocks(title="A head in the browser") as page:
        gr.Markdown("# A head in the browser\nComputed, not measured: nobody's data. Not for clinical use.")
        viewer = NiivueViewer(value, height=460, label="Head with a lesion", report_location=True)
        with gr.Row():
            radius = gr.Slider(4, 30, value=18, step=1, label="Radius of the lesion, in mm")
            color = gr.ColorPicker(RED, label="Colour of the lesion")
        with gr.Row():
            size = gr.Textbox(volume, label="Volume of the lesion", interactive=False)
            place = gr.Textbox(label="Crosshair", interactive=False)
        radius.release(draw, [radius, color], [viewer, size], api_name="draw")
        color.change(draw, [radius, color], [viewer, size], api_visibility="private")
        viewer.location(tell, None, place, show_progress="hidden", api_visibility="private")
    return page


if __name__ == "__main__":
    build().launch(theme=THEME)
