"""``spacehand deploy``: an app folder to a live Space."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spacehand.cli.command import command, yes_option
from spacehand.cli.plan import choices, decide, described, plan_options
from spacehand.cli.terminal import Terminal
from spacehand.errors import UsageError

if TYPE_CHECKING:
    from spacehand.deploy.plan import Plan
    from spacehand.hub._protocol import Hub
    from spacehand.ids import RepoId

timeout_option = click.option(
    "--timeout", type=float, default=1800.0, show_default=True, help="Seconds for build and start."
)


@command("deploy")
@plan_options
@timeout_option
@click.option("--dry-run", is_flag=True, help="Show the plan, and change nothing.")
@yes_option
def deploy_command(
    terminal: Terminal,
    *,
    folder: Path,
    space: str | None,
    environment: str | None,
    to: str | None,
    timeout: float,
    dry_run: bool,
    yes: bool,
    **choice: bool,
) -> None:
    """
    Bring FOLDER to a live Space, and return once this very version has proved itself.

    SPACE is `owner/name` or a name of your own; else spacehand.toml or the folder's name say it. A version
    that fails is undone; where nothing changed there is no commit and no build.
    """
    chosen = choices(**choice)
    connection, spec = described(terminal, folder, space, environment=environment, to=to)
    if dry_run:
        decided = decide(connection, spec, chosen)
        terminal.finish(decided.to_json(), "\n".join(decided.describe()))
        return
    from spacehand.deploy.deploy import deploy
    from spacehand.deploy.timing import Timing
    from spacehand.history import History
    from spacehand.hub.digests import Digests

    done = deploy(
        spec,
        hub=connection.hub,
        history=History.default(),
        digests=Digests.default(),
        choices=chosen,
        review=functools.partial(review, terminal, yes=yes),
        report=terminal.report,
        timing=Timing(timeout=timeout),
    )
    if not done.changed:
        terminal.say("Nothing changed: no commit, no build")
    warn_of_no_sandbox(terminal, connection.hub, done.space)
    terminal.finish(done.to_json(), done.app_url)


def warn_of_no_sandbox(terminal: Terminal, hub: Hub, space: RepoId) -> None:
    """Say it when nothing stands between the app of *space* and this machine."""
    local = hub.runtime(space).raw.get("spacehand") or {}
    if local.get("fidelity") != "process":
        return
    # The last of these is why there is none; the ones before say what that means.
    why = [line for line in local.get("differences", ()) if line.startswith("no sandbox")]
    said = "note: the app runs as a plain process, with your files and network"
    terminal.say(f"{said}: {why[-1]}" if why else said)


def review(terminal: Terminal, plan: Plan, *, yes: bool) -> None:
    """
    Say the plan, and ask before it costs more than now.

    Raises:
        UsageError: nobody agreed.
    """
    for line in plan.describe():
        terminal.say(f"  {line}")
    before, after = plan.usd_before, plan.usd_after
    if yes or after <= before:
        return
    cost = f"This raises the cost while it runs from ${before:.2f} to ${after:.2f} an hour"
    if terminal.json_output or not sys.stdin.isatty():
        raise UsageError(cost, hint="Agree with `--yes`")
    if not click.confirm(f"{cost}. Go on?", err=True):
        raise UsageError("Nobody agreed to the cost; nothing was changed", hint="Agree with `--yes`")
