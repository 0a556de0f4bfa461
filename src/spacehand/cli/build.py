"""``spacehand build``: the folder that ``deploy`` would push."""

from __future__ import annotations

from pathlib import Path

import click

from spacehand.cli.command import command
from spacehand.cli.terminal import Terminal

environment_option = click.option("--env", "environment", help="Use `[env.NAME]` of spacehand.toml.")


@command("build")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Where to write; new or empty."
)
@environment_option
def build_command(terminal: Terminal, *, folder: Path, output: Path, environment: str | None) -> None:
    """
    Write the folder that `deploy FOLDER` would push, and nothing else.

    Front matter is merged, the template filled, vendored packages are in, secrets and caches are out.
    """
    from spacehand.space.build import build
    from spacehand.space.spec import SpaceSpec

    terminal.say(f"→ {output}")
    built = build(SpaceSpec.load(folder, environment=environment), output)
    for path in built.left_out:
        terminal.say(f"left out `{path}`: it is there to hold secrets")
    files = [file.path for file in built.files]
    result = {
        "folder": str(output),
        "files": files,
        "bytes": built.bytes,
        "sdk": built.sdk,
        "digest": built.digest,
    }
    terminal.finish(result, str(output))
