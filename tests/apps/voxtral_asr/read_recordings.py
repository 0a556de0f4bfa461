"""Read every file of a folder as the app does, and print what came of it: ``read_recordings.py FOLDER``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(_ROOT / "apps" / "voxtral-asr"), str(_ROOT / "runtime" / "src")]

from asr import audio  # noqa: E402
from asr.errors import AudioError  # noqa: E402


def outcome(file: Path) -> str:
    try:
        return f"{len(audio.read(str(file), 300)):d} samples"
    except AudioError as error:
        return str(error)


if __name__ == "__main__":
    print(json.dumps({file.name: outcome(file) for file in sorted(Path(sys.argv[1]).iterdir())}))
