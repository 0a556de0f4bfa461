"""``spacehand hub fault``: let the local Hub fail on purpose, as huggingface.co does now and then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from spacehand.cli.command import command
from spacehand.cli.local import data_option, running_hub
from spacehand.cli.terminal import Terminal
from spacehand.home import home

# Spelled out: the enum lives with the Hub, whose imports `--help` has no time for.
_KINDS = (
    "slow-build",
    "stuck-start",
    "stale-paused",
    "no-capacity",
    "storage-limit",
    "empty-build-log",
    "dead-port",
    "unavailable",
    "payment",
    "rate-limit",
)


@click.group("fault")
def fault_group() -> None:
    """Let the local Hub fail on purpose; all of it ends when the Hub does."""


@command("hub fault add")
@click.argument("kind", type=click.Choice(_KINDS))
@click.option("--space", metavar="OWNER/NAME", help="Only this Space; every one unless given.")
@click.option("--times", type=click.IntRange(min=1), help="So often, and then no more.")
@click.option("--for", "duration", metavar="DURATION", help="For so long, as 90s or 10m.")
@click.option("--seconds", type=click.FloatRange(min=0), help="How slow a build is, or when to come back.")
@data_option
def add_command(
    terminal: Terminal,
    *,
    kind: str,
    space: str | None,
    times: int | None,
    duration: str | None,
    seconds: float | None,
    data: Path | None,
) -> None:
    """
    Switch a fault on, until it is removed, has acted so often, or its time is over.

    \b
    slow-build       builds begin a minute late, or --seconds
    stuck-start      apps stay at APP_STARTING
    stale-paused     a restart leaves a paused Space PAUSED
    no-capacity      RUNTIME_ERROR, "Scheduling failure: unable to schedule"
    storage-limit    RUNTIME_ERROR, "Workload evicted, storage limit exceeded (50G)"
    empty-build-log  BUILD_ERROR, without a reason or a log
    dead-port        RUNNING, and nobody answers
    unavailable      the API answers 503
    payment          new Spaces and paid hardware are answered 402
    rate-limit       the API answers 429, with --seconds to wait
    """
    from spacehand.localhub.faults.desk import FaultDesk
    from spacehand.space.hardware import duration as seconds_of

    wanted: dict[str, Any] = {"kind": kind, "space": space, "times": times, "seconds": seconds}
    if duration is not None:
        wanted["duration"] = seconds_of(duration, name="--for")
    added = FaultDesk(running_hub(data or home())).add(wanted)
    terminal.say(f"Switch it off with `spacehand hub fault remove {added['id']}`")
    terminal.finish({"fault": added}, fault_line(added))


@command("hub fault list")
@data_option
def list_command(terminal: Terminal, *, data: Path | None) -> None:
    """Show the faults that are switched on."""
    from spacehand.localhub.faults.desk import FaultDesk

    faults = FaultDesk(running_hub(data or home())).all()
    if not faults:
        terminal.say("None is switched on")
    terminal.finish({"faults": faults}, "\n".join(map(fault_line, faults)))


@command("hub fault remove")
@click.argument("identity", metavar="ID")
@data_option
def remove_command(terminal: Terminal, *, identity: str, data: Path | None) -> None:
    """Switch one fault off; what it kept waiting goes on."""
    from spacehand.localhub.faults.desk import FaultDesk

    FaultDesk(running_hub(data or home())).remove(identity)
    terminal.finish({"removed": 1}, f"Fault {identity} is off")


@command("hub fault clear")
@data_option
def clear_command(terminal: Terminal, *, data: Path | None) -> None:
    """Switch all faults off."""
    from spacehand.localhub.faults.desk import FaultDesk

    removed = FaultDesk(running_hub(data or home())).clear()
    terminal.finish({"removed": removed}, f"{removed} switched off" if removed else "None was switched on")


def fault_line(fault: dict[str, Any]) -> str:
    """Return *fault* in one line: its id, what it is, whom it meets, how much of it is left."""
    left = []
    if fault["times"] is not None:
        left.append(f"{fault['acted']} of {fault['times']} times")
    if fault["secondsLeft"] is not None:
        left.append(f"{fault['secondsLeft']:.0f} s left")
    more = f" ({', '.join(left)})" if left else ""
    return f"{fault['id']}  {fault['kind']}  {fault['space'] or 'every Space'}{more}: {fault['says']}"


for _command in (add_command, list_command, remove_command, clear_command):
    fault_group.add_command(_command)
