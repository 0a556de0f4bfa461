"""What a command says while it works, and when it is broken off."""

from __future__ import annotations

import io

import pytest

from spacehand.cli.terminal import Terminal
from spacehand.progress import Progress


class Screen(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot move its cursor: a line per message, and no escape codes."""
    monkeypatch.setenv("TERM", "dumb")
    screen = Screen()
    terminal = Terminal("deploy", stderr=screen)

    for message in ("Building", "Building", "Starting"):
        terminal.report(Progress("start", message))

    assert [line.split(maxsplit=3)[3] for line in screen.getvalue().splitlines()] == ["Building", "Starting"]
    assert "\x1b" not in screen.getvalue()


def interrupted(*progress: Progress) -> str:
    """What Ctrl-C says after *progress*."""
    errors = io.StringIO()
    terminal = Terminal("ship", stderr=errors)
    for one in progress:
        terminal.report(one)
    before = len(errors.getvalue())
    terminal.interrupted()
    return errors.getvalue()[before:]


def test_ctrl_c_names_what_it_broke_off() -> None:
    """A command that had not begun has nothing to name."""
    assert interrupted() == "Interrupted\n"
    uploading = Progress("upload", "Uploading 3 files")
    assert interrupted(uploading) == "Interrupted during “Uploading 3 files”; run it again to finish\n"


def test_after_the_push_the_version_goes_on() -> None:
    """Only the Space's own push counts, not the upload of the model before it."""
    model, plan = Progress("upload", "Uploading"), Progress("plan", "Comparing")
    folder, push = Progress("build", "Building the folder"), Progress("upload", "Push files")
    start = Progress("start", "Starting")

    assert "goes on starting" in interrupted(model, folder, plan, push, start)
    assert "goes on starting" not in interrupted(model, folder)
    assert "goes on starting" not in interrupted(model, folder, plan, push)
    assert "goes on starting" not in interrupted(plan, push, start, Progress("rollback", "Restoring"))
