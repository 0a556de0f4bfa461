"""The front door: ``spacehand COMMAND``; each command's module is imported only when it is used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from spacehand import __version__
from spacehand.cli.command import INTERRUPTED
from spacehand.cli.terminal import Terminal
from spacehand.errors import UsageError

# Command -> module under spacehand.cli that holds a click command of the same name, and its line in --help.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("demo", "Ship a real speech model to a live Space on this machine, and prove it"),
    "new": ("new", "Write an app folder to begin with, from a template"),
    "ship": ("ship", "Publish a model folder and deploy a demo of it, in one action"),
    "publish": ("publish", "Put a model folder on a Hub, with an honest card, in one commit"),
    "card": ("card", "Write a model folder's card, without publishing it"),
    "build": ("build", "Write the folder that `deploy` would push"),
    "plan": ("plan", "Show what `deploy` would change"),
    "deploy": ("deploy", "Bring an app folder to a live Space, and wait until it answers"),
    "status": ("status", "Show a Space's stage, commit and hardware"),
    "logs": ("logs", "Print a Space's build or run log"),
    "open": ("open", "Open a repository's page in the browser, signed in"),
    "hub": ("hub", "Serve, show or stop the Hub that runs on this machine"),
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own; wrong words are told as every other error is."""

    def main(self, args: Sequence[str] | None = None, *positional: Any, **settings: Any) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        if not settings.get("standalone_mode", True):
            return super().main(words, *positional, **settings)
        try:
            code = super().main(words, *positional, **{**settings, "standalone_mode": False})
        except click.UsageError as error:
            code = _wrong_words(error, words)
        except click.Abort:
            code = INTERRUPTED
        sys.exit(code)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        found: click.Command = getattr(
            importlib.import_module(f"spacehand.cli.{module}"), f"{module}_command"
        )
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="spacehand")
def main() -> None:
    """
    From a trained model, or an app folder, to a live Hugging Face Space.

    Commands speak to the Hub on this machine unless --to, HF_ENDPOINT or spacehand.toml say otherwise;
    the first line on stderr always names it.

    \b
    Exit codes: 0 ok · 1 failed · 2 usage · 3 config or model · 4 auth · 5 payment or quota · 6 not found
    7 build error · 8 unhealthy · 9 timeout · 10 plan has changes · 130 interrupt
    """


def _wrong_words(error: click.UsageError, words: Sequence[str]) -> int:
    """Tell what click says of the command line: wrong, or empty where a group wants a command."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    path = error.ctx.command_path.split() if error.ctx else ["spacehand"]
    terminal = Terminal("-".join(path[1:]) or "main", json_output="--json" in words)
    said = error.format_message().removesuffix(".").replace("'", "`")
    wrong = UsageError(said, hint=f"See `{' '.join(path)} --help`")
    terminal.fail(wrong)
    return wrong.exit_code
