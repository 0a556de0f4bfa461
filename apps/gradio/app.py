"""A greeting with a signature: one variable, one secret, one endpoint."""

import hashlib
import hmac
import os

import gradio as gr

GREETING = os.environ.get("GREETING", "Hello")  # a variable: everybody may see it
SIGNING_KEY = os.environ.get("SIGNING_KEY", "")  # a secret: it is used here, and shown nowhere
MACHINE = {"Space": "SPACE_ID", "Processors": "CPU_CORES", "Memory": "MEMORY"}

# System fonts: no visitor's browser has to ask another site for one. Shade 700 of a hue can be read on white.
FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
THEME = gr.themes.Base(primary_hue="indigo", **FONTS).set(
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_text_color="white",
)


def greet(name: str) -> tuple[str, str]:
    """Return the greeting, and its signature by HMAC-SHA256 (RFC 2104)."""
    if not name.strip():
        raise gr.Error("Type a name first")
    text = f"{GREETING}, {name.strip()}!"
    if not SIGNING_KEY:
        return text, "none: the secret SIGNING_KEY is not set"
    return text, hmac.new(SIGNING_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def facts() -> str:
    """Return what the Space was given to run on, as Markdown."""
    rows = [f"| {label} | `{os.environ.get(name, 'not told')}` |" for label, name in MACHINE.items()]
    key = "set" if SIGNING_KEY else "not set"
    rows += [f"| Variable GREETING | `{GREETING}` |", f"| Secret SIGNING_KEY | {key} |"]
    return "\n".join(["| What | Value |", "|---|---|", *rows])


with gr.Blocks(title="Signed greetings") as demo:
    gr.Markdown("# Signed greetings\nA greeting, and the proof that it came from here.")
    with gr.Row(equal_height=True):
        with gr.Column():
            name = gr.Textbox(label="Name", placeholder="Ada", autofocus=True)
            button = gr.Button("Greet", variant="primary")
        with gr.Column():
            greeting = gr.Textbox(label="Greeting", interactive=False)
            signature = gr.Textbox(label="Signature", interactive=False, buttons=["copy"])
    gr.Examples([["Ada"], ["Grace"]], inputs=name)
    with gr.Accordion("What this Space runs on", open=False):
        gr.Markdown(facts())
    gr.on([button.click, name.submit], greet, name, [greeting, signature], api_name="greet")

demo.launch(theme=THEME)
