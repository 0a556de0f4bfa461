"""What an app reaches from a network of its own: the relay leads it out."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from spacehand.localhub.egress import Egress
from spacehand.localhub.runner.engines._protocol import HubAccess
from spacehand.localhub.store.place import WEB_SOCKET

_WEB_PORT = 3128  # where an app finds the way to the web


def proxy(egress: Egress) -> str:
    """Return the URL of the way to the web, in the app's view; empty where there is no such way."""
    return f"http://127.0.0.1:{_WEB_PORT}" if egress is Egress.WEB else ""


def ways_out(egress: Egress, hub: HubAccess | None, app_port: int, folder: PurePath) -> dict[str, Any]:
    """
    Return what the relay of an app that listens on *app_port* is told to lead out, and where.

    The relay sees the Hub's sockets in *folder*. All else in the app's network is empty.
    """
    if hub is None or egress in (Egress.NONE, Egress.HOST):
        return {}
    ways: dict[str, Any] = {}
    if hub.port != app_port:
        ways |= {"hub_port": hub.port, "hub_socket": str(folder / hub.socket.name)}
    if egress is Egress.WEB and app_port != _WEB_PORT:
        ways |= {"web_port": _WEB_PORT, "web_socket": str(folder / WEB_SOCKET)}
    return ways
