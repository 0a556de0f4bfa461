"""How commands talk to people: the result on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from spacehand.errors import SpacehandError
from spacehand.progress import Progress

if TYPE_CHECKING:
    from rich.status import Status

_AFTER_PUSH = ("build", "start", "probe")  # the phases that follow a push


class Terminal:
    """
    One command's conversation.

    With *json_output* stdout holds exactly one JSON object, success or failure; else the result alone
    (a URL, a table). Progress, the target and errors go to stderr, in colour only on a terminal without
    NO_COLOR.
    """

    def __init__(
        self,
        schema: str,
        *,
        json_output: bool = False,
        quiet: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.schema = f"spacehand.{schema}/1"
        self.json_output = json_output
        self.quiet = quiet
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr
        # A dumb terminal cannot go back to the start of a line, and knows no colour.
        self._is_lively = self._stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._colour = self._is_lively and "NO_COLOR" not in os.environ
        self._live: Status | None = None
        self._started = time.monotonic()
        self._last: Progress | None = None
        self._since_plan: set[str] = set()  # the phases of a deploy so far

    def say(self, text: str) -> None:
        """Print a line for people on stderr."""
        if not self.quiet:
            self._clear_live()
            print(text, file=self._stderr, flush=True)

    def report(self, progress: Progress) -> None:
        """Show *progress*: a live line on a terminal, a new line per message elsewhere."""
        before, self._last = self._last, progress
        if progress.phase == "plan":
            self._since_plan.clear()
        if progress.phase == "plan" or self._since_plan:
            self._since_plan.add(progress.phase)
        if self.quiet:
            return
        if self._is_lively:
            self._show_live(progress.phase, _sentence(progress))
        elif before is None or progress.message != before.message:
            seconds = time.monotonic() - self._started
            print(
                f"{seconds:6.1f} s  {progress.phase:8}  {_milestone(progress)}", file=self._stderr, flush=True
            )

    def interrupted(self) -> None:
        """Say what Ctrl-C broke off, and what goes on without us."""
        if self._last is None:
            self.say("Interrupted")
            return
        self.say(f"Interrupted during “{self._last.message}”; run it again to finish")
        if "upload" in self._since_plan and self._last.phase in _AFTER_PUSH:
            self.say("What was pushed is on the Hub: the new version goes on starting")

    def finish(self, result: Mapping[str, object], text: str | None = None) -> None:
        """Print the command's result on stdout: *result* as JSON, or *text*."""
        self._clear_live()
        if self.json_output:
            print(json.dumps({"schema": self.schema, "ok": True, **result}), file=self._stdout, flush=True)
        elif text:
            print(text, file=self._stdout, flush=True)

    def fail(self, error: SpacehandError) -> None:
        """Print *error*: what, where, and a hint with the next command."""
        self._clear_live()
        print(self._described(error), file=self._stderr, flush=True)
        if self.json_output:
            body = {"schema": self.schema, "ok": False, "error": error.to_json()}
            print(json.dumps(body), file=self._stdout, flush=True)

    def _described(self, error: SpacehandError) -> str:
        red, cyan, off = ("\033[1;31m", "\033[1;36m", "\033[0m") if self._colour else ("", "", "")
        lines = [f"{red}error:{off} {error.message}"]
        if error.where:
            lines.append(f"  at {error.where}")
        if error.details:
            lines += ["", *(f"    {line}" for line in error.details)]
        if error.hint:
            lines += ["", f"{cyan}hint:{off} {error.hint}"]
        return "\n".join(lines)

    def _show_live(self, phase: str, text: str) -> None:
        if self._live is None:
            from rich.console import Console

            self._live = Console(file=self._stderr, no_color=not self._colour, highlight=False).status("")
            self._live.start()
        seconds = time.monotonic() - self._started
        self._live.update(f"[bold]{phase}[/bold]  {_escape(text)}  [dim]{seconds:.0f} s[/dim]")

    def _clear_live(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def _escape(text: str) -> str:
    return text.replace("[", r"\[")


def _sentence(progress: Progress) -> str:
    """Return *progress* as a live line shows it, with how far it is."""
    if progress.done is None:
        return progress.message
    done, total = progress.done, progress.total
    if progress.unit == "bytes":
        return f"{progress.message} ({_size(done)}{f' of {_size(total)}' if total else ''})"
    count = f"{done:,}" if total is None else f"{done:,} of {total:,}"
    return f"{progress.message} ({count} {progress.unit}".rstrip() + ")"


def _milestone(progress: Progress) -> str:
    """Return *progress* as a line that stays: what is begun, and how much of it there is."""
    if progress.total and progress.unit == "bytes":
        return f"{progress.message} ({_size(progress.total)})"
    return _sentence(progress) if progress.total is None else progress.message


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.{0 if unit == 'bytes' else 1}f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
