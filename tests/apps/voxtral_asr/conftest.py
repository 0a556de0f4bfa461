"""The speech app, as a Space has it on its path, with an engine that hears what it is told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

APP = Path(__file__).parents[3] / "apps" / "voxtral-asr"
sys.path.insert(0, str(APP))

from asr.engines import Heard, Word  # noqa: E402
from asr.service import Service  # noqa: E402
from asr.settings import Settings  # noqa: E402
from asr.weights import Weights  # noqa: E402

WEIGHTS = Weights(
    Path("/nowhere"), "ada/tiny", "c" * 40, ("model.bin",), "d" * 64, 75_000_000, Path("/nowhere")
)
HEARD = Heard(
    "Open the door.",
    "en",
    (Word("Open", 0, 0.4, 0.9), Word("the", 0.4, 0.5, 1.0), Word("door.", 0.5, 1, 0.4)),
)


class FakeEngine:
    """Hears *heard* whatever was said; *during* runs while it listens."""

    name = "fake 1.0"
    model = "Fake tiny"

    def __init__(self, heard=HEARD, languages=("en", "de"), during: Callable | None = None) -> None:
        self.heard, self.languages, self.during = heard, languages, during
        self.asked: list[str | None] = []

    def transcribe(self, audio, language, stop):
        self.asked.append(language)
        if self.during:
            self.during(stop)
        return self.heard


@pytest.fixture
def service():
    """Return a function that starts a service around a fake engine; settings by name."""

    def start(engine=None, *, fetch=None, load=None, now=None, started=True, **settings) -> Service:
        extra = {"now": now} if now else {}
        made = Service(
            Settings(model_id="ada/tiny", **settings),
            read_audio=lambda path, limit: [0.0] * 32_000,
            reader=lambda rate: lambda sound: np.frombuffer(sound, "<i2"),
            fetch=fetch or (lambda settings: WEIGHTS),
            load=load or (lambda weights, settings: engine or FakeEngine()),
            **extra,
        )
        if started:
            made.start()
        return made

    return start
