"""Where an app answers: the one thing the runner tells the gateway."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

APP_PORT = 7860  # where a Space's app is asked, unless its README names another port


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """A unix socket on this machine; HTTP is spoken on it, and led to *port* in the app's own network."""

    path: Path
    port: int = APP_PORT

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class PortAddress:
    """A TCP port on this machine."""

    port: int
    host: str = "127.0.0.1"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class FolderAddress:
    """A static Space: files that the gateway serves itself; *index* answers ``/``."""

    path: Path
    index: str = "index.html"
    variables: Mapping[str, str] = field(default_factory=dict)  # shown as window.huggingface.variables

    def __str__(self) -> str:
        return f"folder:{self.path}"


Address = SocketAddress | PortAddress | FolderAddress


def free_port() -> int:
    """Return a port of the loopback address that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
