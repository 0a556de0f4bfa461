"""What an engine is: a way to run an app, and the app once it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from spacehand.localhub.runner.address import APP_PORT as APP_PORT
from spacehand.localhub.runner.address import Address
from spacehand.localhub.runner.build.interpreter import Interpreter

if TYPE_CHECKING:
    from spacehand.localhub.runner.images.builder import Image, ImageBuilder


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
    gpus: bool = False  # an app that asks for graphics processors gets them
    mounts: bool = False  # volumes are where the Space wants them
    shares_ports: bool = False  # an app listens on this machine's own port, and not on one given to it


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
    def volumes(self) -> Path:
        """Repositories that the app sees somewhere."""
        return self.root / "volumes"

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
    proxy: str = ""  # URL of the way to the web, where there is no other


@dataclass(frozen=True, slots=True)
class HubAccess:
    """
    How an app reaches the Hub: the same URL everywhere, in a sandbox through *socket*.

    The sandbox gets the socket's folder, where the next Hub makes its own: nothing private may be in it.
    """

    endpoint: str
    port: int
    socket: Path


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of this machine that an app sees at *target*."""

    source: Path
    target: str
    read_only: bool


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
    control: Path  # where the app's keeper listens, for the next Hub too; in a folder closed to others
    hub: HubAccess | None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # holds secrets
    grace_seconds: float = 5.0
    image: Image | None = None  # what a container is made from; None: the app is the repository's files
    cores: float = 2.0
    gpus: int = 0
    disk_bytes: int = 50 << 30  # that the app may write
    mounts: tuple[Mount, ...] = ()
    alone_seconds: float = 60.0  # that the app lives on without a Hub


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


class Output(Protocol):
    """Where what an app prints is kept, and how far that got."""

    @property
    def mark(self) -> str:
        """The mark that was kept last; empty when none was."""
        ...

    def __call__(self, text: str, mark: str = "", /) -> None:
        """
        Keep *text*, each line of it as a line of its own.

        *mark* is the engine's own name for the place behind this text. Both are kept together or not at all:
        an engine that adopts an app goes on behind `mark`, and no line is lost or kept twice.
        """
        ...


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

    def disk(self) -> int:
        """Return the bytes on the disk that are this start's own: what it came with, and what it wrote."""
        ...

    def cpu_seconds(self) -> float:
        """Return the processor time used by all processes alive."""
        ...

    @property
    def was_out_of_memory(self) -> bool:
        """Whether the system killed the app for its memory; known once it has ended."""
        ...

    def listeners(self) -> frozenset[Listener]:
        """Return where the app listens, without our own relay's ports."""
        ...

    def move_to(self, port: int) -> None:
        """Take the app to be at *port*, where the engine allows another than it gave."""
        ...

    async def freeze(self) -> None:
        """Give the app no more processor time; it keeps its memory and its connections."""
        ...

    async def thaw(self) -> None:
        """Let a frozen app go on as if nothing had been; does nothing to others."""
        ...

    def record(self) -> Mapping[str, Any]:
        """Return what finds the app again after this Hub has died, as JSON; it holds no secret."""
        ...


class Engine(Protocol):
    """A way to run apps."""

    @property
    def name(self) -> str: ...

    @property
    def fidelity(self) -> Fidelity: ...

    async def capabilities(self) -> Capabilities:
        """Try the engine, once, and tell what it can do."""
        ...

    def layout(self, folders: Folders, venv: Path | None, interpreter: Interpreter) -> Layout: ...

    async def start(self, spec: RunSpec, output: Output) -> App:
        """
        Start the app; what it prints goes to *output* line by line.

        Raises:
            OSError: the system refuses.
        """
        ...

    async def adopt(self, record: Mapping[str, Any], spec: RunSpec, output: Output) -> App | None:
        """
        Return the app that an earlier Hub started, found by its *record*, or None when it is no more.

        *spec* is the one it was started with, without its environment. What the app printed meanwhile goes to
        *output*, from behind its mark.
        """
        ...


class ImageEngine(Engine, Protocol):
    """An engine that runs container images, with the builder that makes them."""

    @property
    def builder(self) -> ImageBuilder: ...

    async def sweep(self) -> None:
        """Remove what an earlier Hub left running and nobody has adopted."""
        ...
