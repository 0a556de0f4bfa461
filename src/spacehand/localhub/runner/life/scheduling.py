"""Whether this machine has what an app is to start on, told as the Hub's scheduler does."""

from __future__ import annotations

import socket

from spacehand.localhub.runner.life.health import UnhealthyAppError
from spacehand.localhub.spaces import hardware

_FAILURE = "Scheduling failure: unable to schedule."


def require_gpus(flavor: str) -> None:
    """
    Do nothing for a *flavor* without graphics processors.

    Raises:
        UnhealthyAppError: it has some; on a Hub whose engine gives none.
    """
    known = hardware.find(flavor)
    if known is not None and known.accelerator is not None:
        card = known.accelerator
        raise UnhealthyAppError(
            f"{_FAILURE} `{flavor}` has {card.quantity} x {card.model}, and no engine of this Hub gives an "
            "app a GPU; `spacehand hub serve --pretend-hardware` runs it on the processor"
        )


def require_port(port: int) -> None:
    """
    Do nothing when *port* of this machine is free.

    Raises:
        UnhealthyAppError: somebody listens there, and the app could not.
    """
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        raise UnhealthyAppError(
            f"{_FAILURE} Port {port} of this machine is taken, and with `--egress host` an app needs it for "
            "itself: pause the Space that has it, or name another `app_port` in the README's header"
        ) from error
