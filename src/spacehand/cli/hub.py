"""``spacehand hub``: the Hub that runs on this machine."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spacehand.cli.command import command
from spacehand.cli.engines import engines_command
from spacehand.cli.fault import fault_group, fault_line
from spacehand.cli.local import data_option, running_hub
from spacehand.cli.terminal import Terminal
from spacehand.errors import NotFoundError
from spacehand.home import home
from spacehand.localhub.egress import Egress

if TYPE_CHECKING:
    from spacehand.localhub.server import Running


@click.group("hub")
def hub_command() -> None:
    """Serve, show or stop the Hub that runs on this machine."""


@command("hub serve")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="The one it had last, at first 7870, unless given; 0: any free one.",
)
@data_option
@click.option("--owner", help="The account that owns everything; your login name unless given.")
@click.option("--detach", is_flag=True, help="Return once it answers, and leave it running.")
@click.option("--any-python", is_flag=True, help="Run Spaces on the newest Python here if theirs is missing.")
@click.option(
    "--unsafe-builds",
    is_flag=True,
    help="Without a sandbox, let packages' build scripts run as your own user.",
)
@click.option("--pretend-hardware", is_flag=True, help="Run apps that ask for a GPU on the processor.")
@click.option(
    "--egress",
    type=click.Choice([mode.value for mode in Egress]),
    default=Egress.HUB_ONLY.value,
    show_default=True,
    help="What shut-in apps reach: nothing, this Hub, the web by a proxy, or all that this machine does.",
)
@click.option(
    "--engine",
    type=click.Choice(("docker", "buildah", "swarm")),
    help="What runs Spaces with a Dockerfile; docker, else buildah, unless given.",
)
def serve_command(
    terminal: Terminal,
    *,
    port: int | None,
    data: Path | None,
    owner: str | None,
    detach: bool,
    any_python: bool,
    unsafe_builds: bool,
    pretend_hardware: bool,
    egress: str,
    engine: str | None,
) -> None:
    """
    Run the local Hub until Ctrl-C; with --detach, in the background.

    It listens on 127.0.0.1 only and needs no account. Give the official client its address and token:

    \b
        eval "$(spacehand hub env)"
    """
    from spacehand.localhub import server

    place = data or home()
    options = server.ServerOptions(
        data=place,
        port=server.usual_port(place) if port is None else port,
        owner=owner,
        any_python=any_python,
        unsafe_builds=unsafe_builds,
        pretend_hardware=pretend_hardware,
        egress=Egress(egress),
        engine=engine,
    )
    if not detach:
        server.serve(options, ready=functools.partial(_ready, terminal, options.data))
        return
    running = server.start_detached(options)
    terminal.say(f"The local Hub runs in the background, pid {running.pid}; end it with `spacehand hub stop`")
    terminal.finish({"url": running.url, "pid": running.pid, "data": str(options.data)}, running.url)


def _ready(terminal: Terminal, data: Path, url: str) -> None:
    terminal.finish({"url": url, "pid": os.getpid(), "data": str(data)}, url)
    terminal.say("Ctrl-C ends it; in another terminal, `spacehand open` shows it")


@command("hub status")
@data_option
def status_command(terminal: Terminal, *, data: Path | None) -> None:
    """Say whether the local Hub runs, where, and which faults it rehearses."""
    from spacehand.localhub.faults.desk import FaultDesk

    running = running_hub(data or home())
    faults = FaultDesk(running).all()
    found = {"url": running.url, "pid": running.pid, "data": str(data or home()), "faults": faults}
    lines = [f"{running.url} (pid {running.pid}, data in {data or home()})"]
    terminal.finish(found, "\n".join([*lines, *(f"  rehearsing  {fault_line(fault)}" for fault in faults)]))


@command("hub stop")
@data_option
def stop_command(terminal: Terminal, *, data: Path | None) -> None:
    """End the local Hub and the Spaces it runs; nothing is lost."""
    from spacehand.localhub import server

    running = running_hub(data or home())
    server.stop(data or home())
    terminal.finish({"url": running.url, "stopped": True}, f"Stopped {running.url}")


@command("hub env")
@data_option
def env_command(terminal: Terminal, *, data: Path | None) -> None:
    """
    Print what points the official client here, for `eval "$(spacehand hub env)"`.

    They are HF_ENDPOINT and HF_TOKEN, the owner's; `hf`, transformers, datasets and the rest read them.
    """
    running = running_hub(data or home())
    line = f"export HF_ENDPOINT={running.url} HF_TOKEN={running.token}"
    terminal.finish({"HF_ENDPOINT": running.url, "HF_TOKEN": running.token}, line)


@command("hub token")
@data_option
@click.option("--read", is_flag=True, help="A new one that may read and nothing else, as an app needs it.")
def token_command(terminal: Terminal, *, data: Path | None, read: bool) -> None:
    """Print the owner's token, alone, for `export HF_TOKEN=$(spacehand hub token)`."""
    from spacehand.localhub.store.place import Place

    if read:
        token = _new_read_token(running_hub(data or home()))
        terminal.finish({"token": token}, token)
        return
    file = Place(data or home()).token_file
    try:
        token = file.read_text().strip()
    except FileNotFoundError:
        raise NotFoundError(
            "This Hub has no token yet: it was never started",
            where=str(file.parent),
            hint="`spacehand hub serve --detach`",
        ) from None
    terminal.finish({"token": token}, token)


for _command in (
    serve_command,
    status_command,
    stop_command,
    env_command,
    token_command,
    engines_command,
    fault_group,
):
    hub_command.add_command(_command)


def _new_read_token(running: Running) -> str:
    from spacehand.hub.remote import RemoteHub

    return RemoteHub(running.url, running.token).new_read_token("for an app")
