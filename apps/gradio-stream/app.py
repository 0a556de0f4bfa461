"""Several inputs, and an answer that streams: a text is read word by word."""

import hashlib
import hmac
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import gradio as gr

WORDS_PER_SECOND = float(os.environ.get("WORDS_PER_SECOND", "8"))  # a variable: everybody may see it
WATERMARK_KEY = os.environ.get("WATERMARK_KEY", "")  # a secret: it is used here, and shown nowhere
MACHINE = {"Space": "SPACE_ID", "Processors": "CPU_CORES", "Memory": "MEMORY"}
STYLES = {"as it is": str, "loud": str.upper, "backwards": lambda word: word[::-1]}
LONGEST = 20_000  # characters
EXAMPLE = "The sea has many voices, and every one of them says the same word again and again"

# System fonts: no visitor's browser has to ask another site for one. Shade 700 of a hue can be read on white.
FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
THEME = gr.themes.Base(primary_hue="teal", **FONTS).set(
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_text_color="white",
)


def read(text: str, file: str | None, style: str, speed: float) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield, word after word, what was read so far and what was counted in it."""
    words = (Path(file).read_text("utf-8", "replace") if file else text)[:LONGEST].split()
    if not words:
        raise gr.Error("Type a text, or choose a file")
    said: list[str] = []
    for word in words:
        said.append(STYLES[style](word))
        yield " ".join(said), count(said, len(words))
        time.sleep(1 / speed)
    yield " ".join(said), count(said, len(words)) | {"receipt": receipt(" ".join(said))}


def count(said: list[str], of: int) -> dict[str, object]:
    """Return how far the reading is, and the words it met most often."""
    common = Counter(word.strip(".,;:!?").lower() for word in said).most_common(3)
    return {"words": len(said), "of": of, "most_common": dict(common)}


def receipt(text: str) -> str:
    """Return what proves that this Space read *text*, to whoever holds the key."""
    if not WATERMARK_KEY:
        return "none: the secret WATERMARK_KEY is not set"
    return hmac.new(WATERMARK_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def facts() -> str:
    """Return what the Space was given to run on, as Markdown."""
    rows = [f"| {label} | `{os.environ.get(name, 'not told')}` |" for label, name in MACHINE.items()]
    key = "set" if WATERMARK_KEY else "not set"
    rows += [f"| Variable WORDS_PER_SECOND | `{WORDS_PER_SECOND:g}` |", f"| Secret WATERMARK_KEY | {key} |"]
    return "\n".join(["| What | Value |", "|---|---|", *rows])


with gr.Blocks(title="Word by word") as demo:
    gr.Markdown("# Word by word\nA text is read one word at a time; stop it whenever you like.")
    with gr.Row():
        with gr.Column():
            text = gr.Textbox(label="Text", lines=4, value=EXAMPLE)
            file = gr.File(label="Or a text file", file_types=["text"], height=110)
            style = gr.Radio(list(STYLES), value="as it is", label="How")
            speed = gr.Slider(1, 50, value=WORDS_PER_SECOND, step=1, label="Words per second")
            with gr.Row():
                start = gr.Button("Read", variant="primary")
                stop = gr.Button("Stop", variant="stop")
        with gr.Column():
            reading = gr.Textbox(label="Reading", lines=8, interactive=False, buttons=["copy"])
            counted = gr.JSON(label="Counted")
    with gr.Accordion("What this Space runs on", open=False):
        gr.Markdown(facts())
    running = start.click(read, [text, file, style, speed], [reading, counted], api_name="read")
    stop.click(None, cancels=[running])

demo.queue(default_concurrency_limit=4).launch(theme=THEME)
