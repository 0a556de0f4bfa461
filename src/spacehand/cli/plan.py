"""``spacehand plan``: what ``deploy`` would change."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spacehand.cli.build import environment_option
from spacehand.cli.command import command, to_option
from spacehand.cli.terminal import Terminal
from spacehand.errors import ChangesPendingError, UsageError
from spacehand.session import Connection, connect

if TYPE_CHECKING:
    from spacehand.deploy.plan import Choices, Plan
    from spacehand.space.spec import SpaceSpec

write_token_option = click.option(
    "--allow-write-token", is_flag=True, help="Let the Space have a token that may do more than read."
)
_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.argument("folder", type=click.Path(path_type=Path)),
    click.argument("space", required=False),
    environment_option,
    to_option,
    click.option("--adopt", is_flag=True, help="Keep what was changed on the Hub since the last release."),
    click.option("--overwrite", is_flag=True, help="Undo what was changed on the Hub since then."),
    click.option("--set-secrets", is_flag=True, help="Set secrets that exist already, too."),
    write_token_option,
)


def plan_options(body: Any) -> Any:
    """Add the arguments and options that ``plan`` and ``deploy`` share."""
    for option in reversed(_OPTIONS):
        body = option(body)
    return body


@command("plan")
@plan_options
@click.option("--detailed-exitcode", is_flag=True, help="Exit 10 when there are changes or drift.")
def plan_command(
    terminal: Terminal,
    *,
    folder: Path,
    space: str | None,
    environment: str | None,
    to: str | None,
    detailed_exitcode: bool,
    **choice: bool,
) -> None:
    """Show what `deploy FOLDER SPACE` would change, and change nothing."""
    chosen = choices(**choice)
    connection, spec = described(terminal, folder, space, environment=environment, to=to)
    decided = decide(connection, spec, chosen)
    terminal.finish(decided.to_json(), "\n".join(decided.describe()))
    if detailed_exitcode and (decided.has_changes or decided.drift):
        raise SystemExit(ChangesPendingError.exit_code)


def decide(connection: Connection, spec: SpaceSpec, chosen: Choices) -> Plan:
    """Return the plan of a deploy, made from a build that is thrown away."""
    from spacehand.deploy.plan import plan
    from spacehand.history import History
    from spacehand.hub.digests import Digests
    from spacehand.space.build import build

    with tempfile.TemporaryDirectory(prefix="spacehand-plan-") as place:
        built = build(spec, Path(place) / "space")
        return plan(built, spec, connection.hub, History.default(), digests=Digests.default(), choices=chosen)


def choices(*, adopt: bool, overwrite: bool, set_secrets: bool, allow_write_token: bool) -> Choices:
    """Return what the flags say about changes made elsewhere and about secrets."""
    from spacehand.deploy.drift import OnDrift
    from spacehand.deploy.plan import Choices

    if adopt and overwrite:
        raise UsageError("`--adopt` and `--overwrite` exclude each other", hint="Give one of them")
    on_drift = OnDrift.ADOPT if adopt else OnDrift.OVERWRITE if overwrite else OnDrift.REFUSE
    return Choices(on_drift=on_drift, set_secrets=set_secrets, allow_write_token=allow_write_token)


def described(
    terminal: Terminal, folder: Path, space: str | None, *, environment: str | None, to: str | None
) -> tuple[Connection, SpaceSpec]:
    """Return the Hub, and the Space of *folder* under its full name there."""
    from spacehand.space.spec import SpaceSpec

    spec = SpaceSpec.load(folder, environment=environment)
    connection = connect(to, say=terminal.say, settings=spec.endpoint)
    if space is None and spec.repo is not None:
        return connection, spec
    named = connection.repo(space or folder.resolve().name)
    overrides = {"space": {"repo": str(named)}}
    return connection, SpaceSpec.load(folder, environment=environment, overrides=overrides)
