"""A Space folder, a clock that needs no waiting, and a prover that says what the test wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.hub.fake_hub import FakeHub

from spacehand.deploy.probe import Answer
from spacehand.deploy.timing import Timing
from spacehand.errors import SpacehandError
from spacehand.history import History
from spacehand.progress import Progress, silent
from spacehand.space.build import BuiltSpace, build
from spacehand.space.spec import SpaceSpec

README = """---
title: Demo
emoji: 🎧
colorFrom: blue
colorTo: green
sdk: gradio
sdk_version: 6.31.0
app_file: app.py
---
"""


@dataclass
class Clock:
    """Time that passes only when somebody sleeps."""

    seconds: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@dataclass
class FakeProver:
    """Says that an app works, or raises what the test put there."""

    answers: list[Any] = field(default_factory=list)  # a value, or an error to raise; then {"ok": True}
    failure: BaseException | None = None  # what every call raises, as long as it is there
    pages: int = 0
    calls: int = 0

    def page(self, app_url: str, *, report: Callable[[Progress], None] = silent) -> None:
        self.pages += 1

    def call(self, app_url: str, *, report: Callable[[Progress], None] = silent) -> Answer | None:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        value = self.answers.pop(0) if self.answers else {"ok": True}
        if isinstance(value, SpacehandError):
            raise value
        return Answer(value, 0.1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timing(clock: Clock) -> Timing:
    return Timing(timeout=600, now=clock.now, sleep=clock.sleep, clock=clock.now)


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "history.sqlite")


@pytest.fixture
def prover() -> FakeProver:
    return FakeProver()


@dataclass
class App:
    """An app folder under construction, described and built anew at every call."""

    folder: Path
    outputs: Path
    settings: dict[str, Any] = field(default_factory=dict)
    _count: int = 0

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text, encoding="utf-8")

    def remove(self, path: str) -> None:
        (self.folder / path).unlink()

    def spec(self) -> SpaceSpec:
        space = {"repo": "ada/demo"} | self.settings.get("space", {})
        return SpaceSpec.load(self.folder, overrides=self.settings | {"space": space})

    def built(self) -> BuiltSpace:
        self._count += 1
        return build(self.spec(), self.outputs / str(self._count))


@pytest.fixture
def app(tmp_path: Path) -> App:
    """A small Gradio Space `ada/demo`."""
    found = App(tmp_path / "app", tmp_path / "built")
    found.write("README.md", README)
    found.write("app.py", "import gradio\n")
    found.write("requirements.txt", "gradio==6.31.0\n")
    return found
