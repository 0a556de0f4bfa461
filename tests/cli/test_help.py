"""`--help` answers for every command, and costs nothing."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from spacehand.cli.main import COMMANDS, main

HEAVY = (
    "aiohttp cryptography httpx huggingface_hub hf_xet jinja2 matplotlib numpy pygit2 rich ruamel starlette "
    "uvicorn yaml spacehand.deploy.deploy spacehand.localhub.app spacehand.hub.remote"
)


def _paths(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    inner = {name: command.get_command(context, name) for name in command.list_commands(context)}
    return [path, *(p for name, one in inner.items() if one for p in _paths(one, (*path, name)))]


@pytest.mark.parametrize("path", _paths(main), ids=" ".join)
def test_each_command_says_what_it_does(path: tuple[str, ...]) -> None:
    """A sentence and the options, for groups and for what is in them."""
    done = CliRunner().invoke(main, [*path, "--help"])

    assert done.exit_code == 0, done.output
    assert f"Usage: main {' '.join(path)}".strip() in done.output
    text = done.output.split("\n\n")[1].strip()
    assert text
    if len(path) == 1 and path[0] in COMMANDS:
        assert path[0] in CliRunner().invoke(main, ["--help"]).output


def test_help_imports_nothing_heavy() -> None:
    """What people wait for is Python and click, and nothing else."""
    probe = (
        "import sys\nfrom spacehand.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', *sorted(set({HEAVY.split()!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1].split() == ["heavy:"]
