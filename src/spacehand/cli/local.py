"""Which local Hub a command means, and the one that runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from spacehand.errors import NotFoundError

if TYPE_CHECKING:
    from spacehand.localhub.server import Running

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="The Hub's data folder; SPACEHAND_HOME, or the user's data folder, unless given.",
)


def running_hub(data: Path) -> Running:
    """
    Return the Hub that uses the folder *data*.

    Raises:
        NotFoundError: none runs.
    """
    from spacehand.localhub import server

    running = server.running(data)
    if running is None:
        raise NotFoundError(
            "No local Hub runs here", where=str(data), hint="Start it with `spacehand hub serve --detach`"
        )
    return running
