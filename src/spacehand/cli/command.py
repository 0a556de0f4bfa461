"""What every command shares: ``--json``, ``--quiet``, ``--to``, and what happens when it fails."""

from __future__ import annotations

import functools
import os
import traceback
from collections.abc import Callable
from typing import Any

import click

from spacehand.cli.terminal import Terminal
from spacehand.errors import DiskFullError, SpacehandError

Body = Callable[..., None]

INTERRUPTED = 130
_NO_SPACE = 28  # errno ENOSPC


def command(name: str) -> Callable[[Body], click.Command]:
    """
    Make a click command of a function that takes a Terminal first.

    Errors of spacehand end the process with their own exit code and without a traceback;
    SPACEHAND_DEBUG=1 shows it.
    """

    def decorate(body: Body) -> click.Command:
        @click.option("--json", "json_output", is_flag=True, help="Print one JSON object on stdout.")
        @click.option("-q", "--quiet", is_flag=True, help="Print no progress.")
        @functools.wraps(body)
        def run(*, json_output: bool, quiet: bool, **options: Any) -> None:
            terminal = Terminal(name.replace(" ", "-"), json_output=json_output, quiet=quiet)
            raise SystemExit(_attempt(terminal, functools.partial(body, terminal, **options)))

        return click.command(name.rpartition(" ")[2], help=body.__doc__)(run)

    return decorate


to_option = click.option(
    "--to",
    metavar="local|hf|URL",
    help="Which Hub; the one on this machine unless HF_ENDPOINT or spacehand.toml choose another.",
)
yes_option = click.option("-y", "--yes", is_flag=True, help="Do it without asking.")


def _attempt(terminal: Terminal, body: Callable[[], None]) -> int:
    try:
        body()
    except SpacehandError as error:
        return _failed(terminal, error)
    except KeyboardInterrupt:
        terminal.interrupted()
        return INTERRUPTED
    except OSError as error:
        if error.errno == _NO_SPACE:
            where = str(error.filename) if error.filename else None
            return _failed(terminal, DiskFullError("There is no space left on the disk", where=where))
        raise
    return 0


def _failed(terminal: Terminal, error: SpacehandError) -> int:
    if os.environ.get("SPACEHAND_DEBUG"):
        traceback.print_exception(error)
    terminal.fail(error)
    return error.exit_code
