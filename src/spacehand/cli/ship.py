"""``spacehand ship``: publish a model folder and deploy a demo of it, in one action."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spacehand.cli.command import command, to_option, yes_option
from spacehand.cli.deploy import review, timeout_option, warn_of_no_sandbox
from spacehand.cli.model import card_words, model_options, visibility_option
from spacehand.cli.plan import write_token_option
from spacehand.cli.terminal import Terminal
from spacehand.cli.variant import variant_option, with_variant
from spacehand.errors import UsageError
from spacehand.ids import Visibility
from spacehand.session import Connection, connect

if TYPE_CHECKING:
    from spacehand.deploy.plan import Choices
    from spacehand.deploy.ship import Shipment, Shipped

# The environment variable that a private demo's token is read from.
READ_TOKEN = "SPACE_READ_TOKEN"  # noqa: S105


@command("ship")
@model_options
@click.option(
    "--app",
    "--template",
    "app",
    default="voxtral-asr",
    show_default=True,
    metavar="TEMPLATE|FOLDER",
    help="The demo: a template's name, or an app folder of your own.",
)
@click.option(
    "--name", help="The model's repository: `owner/name` or a name of your own; the folder's unless given."
)
@click.option("--space", help="The Space; the model's name with `-demo` unless given.")
@variant_option
@click.option("--subfolder", help="Serve the model in this subfolder; the copy of `--variant` unless given.")
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    help="What numbers the app loads the weights as; as they are stored unless given.",
)
@click.option(
    "--quantization",
    type=click.Choice(["none", "int8", "nf4"]),
    help="How the app quantizes the weights while it loads them.",
)
@click.option(
    "--hardware",
    multiple=True,
    metavar="FLAVOR",
    help="What the Space runs on; of several, the first that holds the model.",
)
@visibility_option
@write_token_option
@timeout_option
@to_option
@yes_option
def ship_command(
    terminal: Terminal,
    *,
    model_dir: Path,
    app: str,
    name: str | None,
    space: str | None,
    variant: str | None,
    hardware: tuple[str, ...],
    private: bool,
    allow_write_token: bool,
    timeout: float,
    to: str | None,
    yes: bool,
    **said: Any,
) -> None:
    """
    Publish MODEL_DIR with its card, deploy a demo Space of it, and prove that it serves these very weights.
    """
    from spacehand.deploy.plan import Choices
    from spacehand.deploy.ship import Shipment
    from spacehand.hub.digests import Digests
    from spacehand.model.artifact import Model

    if private and not os.environ.get(READ_TOKEN):
        raise UsageError(
            "A private model's demo needs a token that may read it",
            where=f"the environment variable `{READ_TOKEN}`",
            hint=f"On the local Hub: `export {READ_TOKEN}=$(spacehand hub token --read)`",
        )
    with Digests.default() as digests:
        model = with_variant(terminal, Model.open(model_dir), variant, digests)
    connection = connect(to, say=terminal.say)
    repo = connection.repo(name or model_dir.resolve().name)
    shipment = Shipment(
        model=model,
        repo=repo,
        space=connection.repo(space or f"{repo}-demo"),
        app=Path(app) if Path(app).is_dir() else app,
        card=card_words(said),
        subfolder=said.pop("subfolder") or variant,
        visibility=Visibility.PRIVATE if private else Visibility.PUBLIC,
        overrides=_settings(private=private, hardware=hardware),
        **said,
    )
    choices = Choices(allow_write_token=allow_write_token)
    shipped = send(terminal, connection, shipment, choices=choices, timeout=timeout, yes=yes)
    if shipped.deployed.served_weights_sha256:
        terminal.say("The app serves the very weights that were published")
    else:
        terminal.say("The app does not say which weights it serves: its answer has no `weights_sha256`")
    terminal.finish(shipped.to_json(), shipped.deployed.app_url)


def _settings(*, private: bool, hardware: tuple[str, ...]) -> dict[str, Any]:
    """Return the Space's settings; a private one only its owner sees, and it may read the model."""
    space: dict[str, Any] = {"hardware": list(hardware)} if hardware else {}
    if not private:
        return {"space": space}
    return {"space": space | {"visibility": "private"}, "secrets": {"HF_TOKEN": {"env": READ_TOKEN}}}


def send(
    terminal: Terminal,
    connection: Connection,
    shipment: Shipment,
    *,
    choices: Choices | None = None,
    timeout: float,
    yes: bool,
) -> Shipped:
    """Ship, with live progress, and tell what was noted on the way."""
    from spacehand.deploy.plan import DEFAULT_CHOICES
    from spacehand.deploy.ship import ship
    from spacehand.deploy.timing import Timing
    from spacehand.history import History
    from spacehand.hub.digests import Digests

    with Digests.default() as digests:
        shipped = ship(
            shipment,
            hub=connection.hub,
            history=History.default(),
            digests=digests,
            choices=choices or DEFAULT_CHOICES,
            review=functools.partial(review, terminal, yes=yes),
            report=terminal.report,
            timing=Timing(timeout=timeout),
        )
    for note in (*shipped.published.notes, *shipped.deployed.notes):
        terminal.say(f"note: {note}")
    warn_of_no_sandbox(terminal, connection.hub, shipment.space)
    terminal.say(f"model  {shipped.published.url}")
    terminal.say(f"space  {shipped.deployed.space_url}")
    return shipped
