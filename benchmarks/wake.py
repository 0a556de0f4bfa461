"""How long a sleeping Space keeps its visitor waiting, beside a start of the same app by hand."""

from __future__ import annotations

import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.figure import Figure, in_turn, seconds
from benchmarks.hubs import BenchHub, local_hub
from benchmarks.space_app import SPACE, by_hand, push, python_of

ROUNDS = 3
IDLE = 1  # seconds after which the Space sleeps
FROZEN = 0.1  # seconds that waking a frozen one may take
APP = """
import gradio as gr

gr.Interface(lambda name: f"Hello, {name}!", "text", "text").launch()
"""
_PATIENCE = 300.0


def run(rounds: int = ROUNDS) -> list[Figure]:
    """Measure the first answer of a frozen Space, and of one whose process has ended."""
    from huggingface_hub import SpaceHardware

    with tempfile.TemporaryDirectory(prefix="spacehand-bench-") as name:
        data, folder = Path(name) / "data", Path(name) / "app"
        folder.mkdir()
        with local_hub(data) as hub:
            push(hub, APP)
            python = python_of(hub)
            hub.api.request_space_hardware(SPACE, SpaceHardware.CPU_UPGRADE, sleep_time=IDLE)
            frozen = [_woken(hub) for _ in range(rounds)]
            asleep(hub)
        deep, by_hands = in_turn(rounds, lambda: _woken_from_deep(data), lambda: _started(python, folder))
    return [
        Figure("First answer of a frozen Space", "0.1 s", frozen, [FROZEN] * rounds, goal=1.0),
        Figure("First answer of a Space in deep sleep", "`python app.py`", deep, by_hands, goal=1.1),
    ]


def _woken(hub: BenchHub) -> float:
    asleep(hub)
    return _asked(hub)


def _woken_from_deep(data: Path) -> float:
    # A Hub that stops ends its apps, so the next one finds the Space asleep and without a process.
    with local_hub(data) as hub:
        taken = _asked(hub)
        asleep(hub)
        return taken


def _started(python: Path, folder: Path) -> float:
    began = time.perf_counter()
    with by_hand(python, folder, APP):
        return time.perf_counter() - began


def _asked(hub: BenchHub) -> float:
    host = str(hub.api.space_info(SPACE).host)

    def ask() -> None:
        with urllib.request.urlopen(host, timeout=_PATIENCE) as answer:  # noqa: S310 - loopback
            answer.read()

    return seconds(ask)


def asleep(hub: BenchHub) -> None:
    """Return once the Space sleeps."""
    end = time.monotonic() + _PATIENCE
    while hub.api.get_space_runtime(SPACE).stage != "SLEEPING":
        if time.monotonic() > end:
            raise TimeoutError("the Space does not fall asleep")
        time.sleep(0.2)
