"""The unix socket by which requests come in to an app with a network of its own."""

from __future__ import annotations

import socket
from pathlib import Path


def open_doorway(path: Path) -> socket.socket:
    """
    Return a socket that listens at *path*.

    Made here and handed to the relay: one in a folder of the app's could be swapped for a link elsewhere.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(512)
    listener.setblocking(False)
    return listener
