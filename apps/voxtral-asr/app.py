"""The file the Hub starts: ``python app.py``."""

from asr.interface import launch, prepare

if __name__ == "__main__":
    demo, service = prepare()  # on a Space, Gradio looks for a global of this name
    launch(demo, service)
