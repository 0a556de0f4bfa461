"""The file the Hub starts: ``python app.py``."""

from asr.interface import serve

if __name__ == "__main__":
    serve()
