"""Runs images in bubblewrap sandboxes whose root file system buildah mounts: where there is no docker."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from spacehand.localhub.runner.address import SocketAddress
from spacehand.localhub.runner.build.interpreter import Interpreter, current
from spacehand.localhub.runner.engines import step_inside
from spacehand.localhub.runner.engines._protocol import (
    Capabilities,
    Fidelity,
    Folders,
    Layout,
    Mount,
    Output,
    RunSpec,
)
from spacehand.localhub.runner.engines.disk import bytes_held
from spacehand.localhub.runner.engines.doorway import open_doorway
from spacehand.localhub.runner.engines.mounting import open_to, within
from spacehand.localhub.runner.engines.sandbox import UID, SandboxEngine
from spacehand.localhub.runner.engines.supervised import RELAY, SupervisedApp, differences
from spacehand.localhub.runner.engines.way_out import proxy, ways_out
from spacehand.localhub.runner.images.buildah import BuildahTool, ImageConfig
from spacehand.localhub.runner.images.builder import ImageBuilder

_ROOT = "/image"
_SYSTEM = Path("/etc")
_RELAY = "/opt/spacehand/relay.py"
_STEP_INSIDE = "/opt/spacehand/step_inside.py"
_HUB_FOLDER = PurePosixPath("/run/spacehand/hub")
# What relay and `step_inside` need, and give up before the app starts.
_RIGHTS = ("CAP_SYS_CHROOT", "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_KILL")
_DIFFERENCES = ("the image runs in a sandbox of bubblewrap",)


class BuildahEngine:
    """Buildah for images, bubblewrap for what runs; needs root."""

    fidelity = Fidelity.CONTAINER
    name = "buildah"

    def __init__(self, hub: str, folder: Path, sandbox: SandboxEngine) -> None:
        self._hub = hub
        self._folder = folder
        self._sandbox = sandbox
        self._egress = sandbox.egress
        self._known: Capabilities | None = None
        self._adopted: set[str] = set()  # names of containers
        self._tool = BuildahTool(folder / "buildah")
        self.builder = ImageBuilder(self._tool, folder / "builds", hub)

    async def capabilities(self) -> Capabilities:
        if self._known is None:
            why_not = await self._try()
            told = (*_DIFFERENCES, *self._egress.container_differences, *differences())
            shares = not self._egress.has_own_network
            self._known = Capabilities(not why_not, why_not, told, mounts=True, shares_ports=shares)
        return self._known

    def layout(self, folders: Folders, venv: Path | None, interpreter: Interpreter) -> Layout:  # noqa: ARG002
        return Layout("/app", "/home/user", "/tmp", "", "0.0.0.0", 0, proxy(self._egress))  # noqa: S108

    async def start(self, spec: RunSpec, output: Output) -> BuildahApp:
        assert spec.image is not None  # noqa: S101 - only images come here
        container = f"spacehand-{secrets.token_hex(6)}"
        root, image = await self._tool.mount(container, spec.image.tag)
        doorway = None
        try:
            await asyncio.to_thread(self._sandbox.furnish, spec.folders)
            await asyncio.to_thread(open_to, UID, spec.mounts)
            doorway = open_doorway(spec.socket)
            order = self._order(spec, image, doorway.fileno())
            app = await BuildahApp.start(
                [*self._wrap(spec, root), str(spec.interpreter.path), "-I", "-S", _RELAY],
                spec,
                order,
                SocketAddress(spec.socket, spec.image.port),
                output,
                keep_open=[doorway.fileno()],
                own_network=self._egress.has_own_network,
            )
            return app.cleared_by(self._tool, container, root)
        except BaseException:
            await asyncio.shield(self._tool.remove(container))
            raise
        finally:
            if doorway is not None:
                doorway.close()

    async def adopt(self, record: Mapping[str, Any], spec: RunSpec, output: Output) -> BuildahApp | None:
        if "mounted" not in record or spec.image is None:
            return None  # another engine's
        address = SocketAddress(spec.socket, spec.image.port)
        own = record.get("own_network", True)
        app = await BuildahApp.adopt(record, spec, address, output, own_network=own)
        if app is None:
            return None
        self._adopted.add(record["mounted"])
        return app.cleared_by(self._tool, record["mounted"], Path(record["root"]))

    async def sweep(self) -> None:
        """Remove what an earlier Hub left mounted, but for what was adopted."""
        if self._tool.folder.exists() and shutil.which("buildah"):
            for container in await self._tool.containers():
                if container.startswith("spacehand-") and container not in self._adopted:
                    await self._tool.remove(container)

    def _order(self, spec: RunSpec, image: ImageConfig, doorway: int) -> dict[str, Any]:
        """Return what the relay is told."""
        assert spec.image is not None  # noqa: S101
        inside = [str(spec.interpreter.path), "-I", "-S", _STEP_INSIDE, _ROOT, image.folder, str(UID)]
        environment = json.dumps({**image.environment, **spec.environment})
        return {
            "command": [*inside, *image.command],
            "environment": {"PATH": os.defpath, step_inside.ENVIRONMENT: environment},
            "folder": "/",
            "grace": spec.grace_seconds,
            "listener": doorway,
            "port": spec.image.port,
            **ways_out(self._egress, spec.hub, spec.image.port, _HUB_FOLDER),
        }

    def _wrap(self, spec: RunSpec, root: Path) -> list[str]:
        """Return the sandbox's command line: this machine's Python for the relay, the image for the app."""
        folders = spec.folders
        own = self._egress.has_own_network
        words = self._sandbox.shell(folders, spec.interpreter, own_network=own)
        words += ["--clearenv", "--cap-drop", "ALL"]
        words += [word for right in _RIGHTS for word in ("--cap-add", right)]
        for folder in ("/opt", "/opt/spacehand", "/run", "/run/spacehand"):
            words += ["--dir", folder]
        words += ["--ro-bind", str(RELAY), _RELAY, "--ro-bind", step_inside.__file__, _STEP_INSIDE]
        if spec.hub and ways_out(self._egress, spec.hub, 0, _HUB_FOLDER):
            words += ["--ro-bind", str(spec.hub.socket.parent), str(_HUB_FOLDER)]
        words += ["--bind", str(root), _ROOT, "--proc", f"{_ROOT}/proc", "--dev", f"{_ROOT}/dev"]
        words += ["--perms", "1777", "--tmpfs", f"{_ROOT}/dev/shm"]  # noqa: S108
        hosts = folders.system if own else _SYSTEM
        for name in ("hosts", "resolv.conf"):
            words += ["--ro-bind-try", str(hosts / name), f"{_ROOT}/etc/{name}"]
        for mount in spec.mounts:
            words += _bind(mount, root)
        words += ["--chdir", "/", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8"]
        return [*words, "--"]

    async def _try(self) -> str:
        """Return why images cannot be built and run here; nothing if they can."""
        if not shutil.which("buildah"):
            return "buildah is not installed"
        if os.geteuid():
            return "buildah works here as root only"
        sandbox = await self._sandbox.capabilities()
        if not sandbox.works:
            return f"what buildah builds runs in a sandbox, and {sandbox.why_not}"
        await asyncio.to_thread(current)
        return await self._tool.probe()


class BuildahApp(SupervisedApp):
    """An app whose root file system is unmounted when it has ended."""

    _mounted = ""
    _root = Path()
    _end: asyncio.Task[int] | None = None

    def cleared_by(self, tool: BuildahTool, container: str, root: Path) -> BuildahApp:
        """Let *tool* remove *container*, which it has mounted at *root*, in the end."""
        self._mounted = container
        self._root = root
        self._end = asyncio.create_task(self._cleared_away(tool, container))
        return self

    async def wait(self) -> int:
        return await (asyncio.shield(self._end) if self._end else super().wait())

    def record(self) -> Mapping[str, Any]:
        mounted = {"mounted": self._mounted, "root": str(self._root)}
        return {**super().record(), **mounted, "own_network": self._own_network}

    def disk(self) -> int:
        # Where the overlay keeps what differs from the image.
        return super().disk() + bytes_held(self._root.parent / "diff")

    async def _cleared_away(self, tool: BuildahTool, container: str) -> int:
        code = await super().wait()
        await tool.remove(container)
        return code


def _bind(mount: Mount, root: Path) -> list[str]:
    """Return what mounts a folder into the image at *root*; its own links may not lead it out of there."""
    target = within(root, mount.target)
    words = []
    for parent in reversed(target.parents[:-1]):
        words += ["--perms", "0755", "--dir", f"{_ROOT}{parent}"]
    return [*words, "--ro-bind" if mount.read_only else "--bind", str(mount.source), f"{_ROOT}{target}"]
