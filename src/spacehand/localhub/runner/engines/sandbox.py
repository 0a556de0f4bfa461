"""Runs apps in a bubblewrap sandbox: own network, own processes, own files, uid 1000."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from spacehand.localhub.egress import Egress
from spacehand.localhub.runner.address import Address, PortAddress, SocketAddress, free_port
from spacehand.localhub.runner.build.interpreter import Interpreter, current
from spacehand.localhub.runner.engines._protocol import (
    APP_PORT,
    Capabilities,
    Fidelity,
    Folders,
    Layout,
    Output,
    RunSpec,
)
from spacehand.localhub.runner.engines.doorway import open_doorway
from spacehand.localhub.runner.engines.mounting import open_to
from spacehand.localhub.runner.engines.supervised import RELAY, SupervisedApp, differences
from spacehand.localhub.runner.engines.way_out import proxy, ways_out

UID = 1000
_RELAY = "/opt/spacehand/relay.py"
_HUB_FOLDER = PurePosixPath("/run/spacehand")
_VENV = "/opt/venv"

# What programs look for in /etc, as far as it tells nothing about this machine's owner.
_SYSTEM_FILES = (
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
)
_OWN_FILES = {
    "passwd": f"root:x:0:0:root:/root:/usr/sbin/nologin\nuser:x:{UID}:{UID}::/home/user:/bin/sh\n",
    "group": f"root:x:0:\nuser:x:{UID}:\n",
    # Gradio asks itself for an answer on localhost at start, and dies without one.
    "hosts": "127.0.0.1 localhost space\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "resolv.conf": "",
}
# Of the machine's own, for an app in the machine's own network.
_NETWORK_FILES = ("/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf")
_PROOF = "seen: uid={} network={} root_file={}"
_PROBE = """
import os, socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2).close()
    network = True
except OSError:
    network = False
try:
    open("/tmp/probe/closed").close()
    closed = True
except OSError:
    closed = False
print("seen: uid={} network={} root_file={}".format(os.getuid(), network, closed))
"""


class SandboxEngine:
    """Bubblewrap, as root or as an ordinary user."""

    name = "sandbox"
    fidelity = Fidelity.SANDBOX

    def __init__(self, *, as_root: bool | None = None, egress: Egress = Egress.HUB_ONLY) -> None:
        self._as_root = os.geteuid() == 0 if as_root is None else as_root
        self.egress = egress
        self._known: Capabilities | None = None

    async def capabilities(self) -> Capabilities:
        if self._known is None:
            why_not = await self._try()
            told = (self.egress.difference("sandbox"), *differences())
            self._known = Capabilities(not why_not, why_not, told, mounts=True)
        return self._known

    def layout(self, folders: Folders, venv: Path | None, interpreter: Interpreter) -> Layout:  # noqa: ARG002
        programs = f"{_VENV}/bin" if venv else str(interpreter.path.parent)
        own = self.egress.has_own_network
        host, port = ("0.0.0.0", APP_PORT) if own else ("127.0.0.1", free_port())
        return Layout("/app", "/home/user", "/tmp", programs, host, port, proxy(self.egress))  # noqa: S108

    async def start(self, spec: RunSpec, output: Output) -> SupervisedApp:
        await asyncio.to_thread(self._prepare, spec.folders)
        if self._as_root:
            await asyncio.to_thread(open_to, UID, spec.mounts)
        if not self.egress.has_own_network:
            return await self._start(spec, output, None)
        # Made here and handed in: a socket in a folder of the app's could be swapped for a link to elsewhere.
        with open_doorway(spec.socket) as listener:
            return await self._start(spec, output, listener.fileno())

    async def _start(self, spec: RunSpec, output: Output, listener: int | None) -> SupervisedApp:
        order = {
            "command": [f"{_VENV}/bin/python" if spec.venv else str(spec.interpreter.path), *spec.command],
            "environment": dict(spec.environment),
            "folder": "/app",
            "grace": spec.grace_seconds,
            "listener": listener,
            "port": APP_PORT,
            **ways_out(self.egress, spec.hub, APP_PORT, _HUB_FOLDER),
        }
        return await SupervisedApp.start(
            [*self.wrap(spec), str(spec.interpreter.path), "-I", "-S", _RELAY],
            spec,
            order,
            self._address(spec, spec.layout.port),
            output,
            keep_open=[] if listener is None else [listener],
            own_network=listener is not None,
        )

    async def adopt(self, record: Mapping[str, Any], spec: RunSpec, output: Output) -> SupervisedApp | None:
        # The Hub that started it may have had another egress.
        own = record["port"] is None
        address: Address = SocketAddress(spec.socket) if own else PortAddress(record["port"])
        return await SupervisedApp.adopt(record, spec, address, output, own_network=own)

    def _address(self, spec: RunSpec, port: int) -> Address:
        return SocketAddress(spec.socket) if self.egress.has_own_network else PortAddress(port)

    def wrap(self, spec: RunSpec) -> list[str]:
        """Return the command line that what shall run in the sandbox is appended to."""
        folders = spec.folders
        own = self.egress.has_own_network
        command = self.shell(folders, spec.interpreter, own_network=own)
        if not own:
            command.append("--clearenv")
            for path_name in _NETWORK_FILES:
                command += ["--ro-bind-try", path_name, path_name]
        # The parents of a bind are made 0700 unless they were made before.
        for folder in ("/opt", "/home", "/run", "/run/spacehand", "/opt/spacehand"):
            command += ["--dir", folder]
        if spec.venv:
            command += ["--ro-bind", str(spec.venv), _VENV]
        command += ["--ro-bind", str(RELAY), _RELAY]
        if spec.hub and ways_out(self.egress, spec.hub, APP_PORT, _HUB_FOLDER):
            command += ["--ro-bind", str(spec.hub.socket.parent), str(_HUB_FOLDER)]
        command += ["--bind", str(folders.home), "/home/user", "--bind", str(folders.app), "/app"]
        for mount in spec.mounts:
            for parent in reversed(PurePosixPath(mount.target).parents[:-1]):
                command += ["--perms", "0755", "--dir", str(parent)]
            command += ["--ro-bind" if mount.read_only else "--bind", str(mount.source), mount.target]
        command += ["--chdir", "/", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8", "--"]
        return [*command, *self.as_user()]

    def shell(self, folders: Folders, interpreter: Interpreter, *, own_network: bool) -> list[str]:
        """Return the beginning of a sandbox's command line: the system and the interpreter, nothing else."""
        command = [_bwrap(), "--die-with-parent", "--new-session", "--hostname", "space"]
        command += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        command += ["--unshare-net", "--clearenv"] if own_network else []
        if not self._as_root:
            command += ["--unshare-user", "--uid", str(UID), "--gid", str(UID)]
        return [*command, *_system(folders), *_bind_interpreter(interpreter)]

    def as_user(self) -> list[str]:
        """Return what drops all rights inside the sandbox; empty where the sandbox has none to drop."""
        if not self._as_root:
            return []
        # A user namespace made by root maps 1000 to root, and drops nothing.
        drop = ["setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups"]
        return [*drop, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"]

    def furnish(self, folders: Folders) -> None:
        """Make the sandbox's own files of the system, its home and its folder for temporary files."""
        folders.system.mkdir(parents=True, exist_ok=True)
        for name, text in _OWN_FILES.items():
            (folders.system / name).write_text(text)
        for folder in (folders.home, folders.temporary):
            folder.mkdir(parents=True, exist_ok=True)
        folders.temporary.chmod(0o1777)

    def hand_over(self, folders: Iterable[Path]) -> None:
        """Let the sandbox's user own *folders* and all that is in them."""
        if self._as_root:
            _hand_over(folders)

    def _prepare(self, folders: Folders) -> None:
        self.furnish(folders)
        folders.app.mkdir(parents=True, exist_ok=True)
        link = folders.home / "app"
        if not link.is_symlink():
            link.symlink_to("/app")
        self.hand_over([folders.app, folders.home, folders.temporary])

    async def _try(self) -> str:
        """Return why the sandbox does not work here; nothing if it does."""
        if not shutil.which("bwrap"):
            return "bubblewrap is not installed"
        if self._as_root and not shutil.which("setpriv"):
            return "setpriv is not installed"
        with (
            tempfile.TemporaryDirectory(prefix="spacehand-probe-") as temporary,
            socket.create_server(("127.0.0.1", 0)) as witness,
        ):
            return await self._probe(Folders(Path(temporary)), witness.getsockname()[1])

    async def _probe(self, folders: Folders, witness: int) -> str:
        interpreter = await asyncio.to_thread(current)
        await asyncio.to_thread(self._prepare, folders)
        secret = folders.temporary / "probe/closed"
        secret.parent.mkdir(mode=0o755)
        secret.touch(mode=0o600)
        spec = RunSpec(
            "probe",
            (),
            folders,
            self.layout(folders, None, interpreter),
            interpreter,
            None,
            0,
            folders.root / "s",
            folders.root / "k",
            None,
        )
        process = await asyncio.create_subprocess_exec(
            *self.wrap(spec),
            str(interpreter.path),
            *("-I", "-S", "-c", _PROBE, str(witness)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode("utf-8", "replace").strip()
        # As an ordinary user the sandbox is that user under another number, and may read what is its own.
        wanted = _PROOF.format(UID, not self.egress.has_own_network, not self._as_root)
        return "" if said == wanted else f"bubblewrap does not shield here ({said[-200:]})"


def _system(folders: Folders) -> list[str]:
    arguments = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    for folder in ("/etc", "/etc/ssl", "/etc/pki", "/etc/pki/tls"):
        arguments += ["--dir", folder]
    for path_name in _SYSTEM_FILES:
        arguments += ["--ro-bind-try", path_name, path_name]
    for name in _OWN_FILES:
        arguments += ["--ro-bind", str(folders.system / name), f"/etc/{name}"]
    arguments += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"]  # noqa: S108
    return [*arguments, "--bind", str(folders.temporary), "/tmp"]  # noqa: S108


def _bind_interpreter(interpreter: Interpreter) -> list[str]:
    """Return the mounts that put the interpreter at its own path: elsewhere it would not find its library."""
    prefix = interpreter.prefix.resolve()
    if prefix.is_relative_to("/usr"):
        return []
    arguments = []
    for parent in reversed(prefix.parents[:-1]):
        arguments += ["--perms", "0755", "--dir", str(parent)]
    return [*arguments, "--ro-bind", str(prefix), str(prefix)]


def _hand_over(folders: Iterable[Path]) -> None:
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, UID, UID, follow_symlinks=False)


def _bwrap() -> str:
    return shutil.which("bwrap") or "bwrap"
