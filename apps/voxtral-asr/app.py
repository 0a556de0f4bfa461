"""The file the Hub starts: ``python app.py``."""

import os

# A log is read later, by people: a bar that was redrawn a hundred times says nothing there.
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

from asr.interface import launch, prepare

if __name__ == "__main__":
    demo, service = prepare()  # on a Space, Gradio looks for a global of this name
    launch(demo, service)
