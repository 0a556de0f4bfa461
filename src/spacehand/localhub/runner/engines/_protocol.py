"""What an engine is: a way to run an app, and the app once it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from spacehand.localhub.runner.address import Address
from spacehand.localhub.runner.interpreter import Interpreter

APP_PORT = 7860


class Fidelity(StrEnum):
    """How much like a Space on huggingface.co an app runs."""

    CONTAINER = "container"
    SANDBOX = "sandbox"
    PROCESS = "process"
    STATIC = "static"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Whether an engine works on this machine, tried and not guessed, and how it differs from the Hub."""

    works: bool
    why_not: str = ""
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Folders:
    """One start's own folders on this machine; all are removed when the app has ended."""

    root: Path

    @property
    def app(self) -> Path:
        """The repository's files at the commit, writable."""
        return self.root / "app"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    @property
    def system(self) -> Path:
        """The sandbox's own hosts, passwd and the like."""
        return self.root / "etc"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the app finds things, in its own view."""

    app: str
    home: str
    temporary: str
    programs: str  # the layer's bin folder
    host: str  # to bind to
    port: int


@dataclass(frozen=True, slots=True)
class HubAccess:
    """How an app reaches the Hub: the same URL everywhere, in a sandbox through *socket*."""

    endpoint: str
    port: int
    socket: Path


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One start of one app."""

    space: str  # owner/name
    command: tuple[str, ...]  # arguments of the layer's Python
    folders: Folders
    layout: Layout
    interpreter: Interpreter
    venv: Path | None  # None: the bare interpreter
    memory_bytes: int
    socket: Path  # where a sandbox listens
    hub: HubAccess | None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # holds secrets
    grace_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP port that the app listens on."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Only the app's own machine could connect; on the Hub nobody can."""
        return self.host in ("::1", "localhost") or self.host.startswith("127.")

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class App(Protocol):
    """A started app."""

    @property
    def address(self) -> Address: ...

    @property
    def pid(self) -> int: ...

    async def wait(self) -> int:
        """Return the exit code, 128 + n after signal n, once the app has ended."""
        ...

    async def stop(self) -> None:
        """End the app, at first politely; return when nothing of it is left."""
        ...

    def kill(self) -> None:
        """Kill the app's processes at once, as the kernel does when memory is short."""
        ...

    def memory(self, enough: int) -> int:
        """Return the bytes the app holds; exact only where it may be more than *enough*."""
        ...

    def cpu_seconds(self) -> float:
        """Return the processor time used by all processes alive."""
        ...

    def listeners(self) -> frozenset[Listener]:
        """Return where the app listens, without our own relay's ports."""
        ...

    def move_to(self, port: int) -> None:
        """Take the app to be at *port*, where the engine allows another than it gave."""
        ...


class Engine(Protocol):
    """A way to run apps."""

    @property
    def fidelity(self) -> Fidelity: ...

    async def capabilities(self) -> Capabilities:
        """Try the engine, once, and tell what it can do."""
        ...

    def layout(self, folders: Folders, venv: Path | None, interpreter: Interpreter) -> Layout: ...

    async def start(self, spec: RunSpec, output: Callable[[str], None]) -> App:
        """
        Start the app; what it prints goes to *output* line by line.

        Raises:
            OSError: the system refuses.
        """
        ...
