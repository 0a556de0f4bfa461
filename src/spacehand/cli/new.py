"""``spacehand new``: an app folder to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from spacehand.cli.command import command
from spacehand.cli.terminal import Terminal
from spacehand.errors import UsageError


@command("new")
@click.argument("template", required=False)
@click.argument("folder", type=click.Path(path_type=Path), required=False, metavar="[DIR]")
def new_command(terminal: Terminal, *, template: str | None, folder: Path | None) -> None:
    """
    Write an app folder from TEMPLATE to DIR, which is new or empty; without TEMPLATE, list them.

    It is deployed as it is with `spacehand deploy DIR`; its README says what to change.
    """
    if template is None:
        _list(terminal)
        return
    from spacehand.space.starter import begin

    if folder is None:
        raise UsageError("It is not said where to write", hint=f"`spacehand new {template} DIR`")
    started = begin(template, folder)
    terminal.say(f"Bring it to life with `spacehand deploy {started.folder}`")
    files = list(started.files)
    told = {"template": template, "folder": str(started.folder), "sdk": started.sdk, "files": files}
    terminal.finish(told, str(started.folder))


def _list(terminal: Terminal) -> None:
    from spacehand.space.starter import sdk_of, templates

    found = [{"name": one.name, "sdk": sdk_of(one), "description": one.description} for one in templates()]
    widest = max((len(one["name"]) for one in found), default=0)
    lines = [f"{one['name']:{widest}}  {one['description']}" for one in found]
    terminal.finish({"templates": found}, "\n".join(lines))
