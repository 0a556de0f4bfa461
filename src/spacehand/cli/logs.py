"""``spacehand logs``: a Space's build or run log."""

from __future__ import annotations

import click

from spacehand.cli.command import command, to_option
from spacehand.cli.terminal import Terminal
from spacehand.session import connect


@command("logs")
@click.argument("space")
@click.option("--build", "kind", flag_value="build", help="The build's log.")
@click.option("--run", "kind", flag_value="run", default="run", help="The app's log (default).")
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@to_option
def logs_command(terminal: Terminal, *, space: str, kind: str, follow: bool, to: str | None) -> None:
    """Print the log of SPACE on stdout, oldest line first."""
    connection = connect(to, say=terminal.say)
    repo = connection.space(space)
    lines = []
    for line in connection.hub.logs(repo, kind, follow=follow):
        if terminal.json_output:
            lines.append({"at": line.at, "text": line.text.rstrip("\n")})
        else:
            click.echo(line.text.rstrip("\n"))
    terminal.finish({"space": str(repo), "kind": kind, "lines": lines})
