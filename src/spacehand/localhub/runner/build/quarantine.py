"""Where packages are built from source: strangers' code, which sees the index and nothing of ours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from spacehand.localhub.runner.build.interpreter import Interpreter
from spacehand.localhub.runner.build.package_index import local_places, without_credentials
from spacehand.localhub.runner.build.workroom import Workroom
from spacehand.localhub.runner.engines._protocol import Folders
from spacehand.localhub.runner.engines.sandbox import SandboxEngine

_UV = "/opt/spacehand/uv"
_VENV = "/opt/venv"
_FOLDER = "/build"
# The index has to be found by name; apps have no such need.
_NETWORK_FILES = ("hosts", "resolv.conf")
_NAMES = "passwd: files\ngroup: files\nhosts: files dns\n"


@dataclass
class Quarantine:
    """
    A bubblewrap sandbox for one step of one build.

    It has this machine's network, for the index, but not its files: no home, no Hub, and of uv's caches only
    an empty one of its own, so that nothing it leaves is ever used for another Space.
    """

    engine: SandboxEngine
    uv: str
    environment: Mapping[str, str] = field(repr=False)
    closed: tuple[Path, ...]  # folders that must never be seen, even if an index lies around them

    async def why_not(self) -> str:
        """Return why strangers' code cannot be shut in on this machine; nothing if it can."""
        return (await self.engine.capabilities()).why_not

    @asynccontextmanager
    async def room(
        self,
        scratch: Path,
        interpreter: Interpreter,
        files: Mapping[str, str],
        *,
        venv: Path | None = None,
        check_out: Callable[[Path], None] | None = None,
    ) -> AsyncIterator[Workroom]:
        """
        Yield a room in the empty folder *scratch*, with *files* in it, and what *check_out* writes there.

        Nobody may write there later: what lies there then may be a stranger's link to elsewhere. *venv*
        becomes the only other thing that may be changed there. Its files must be its own: a hard link to the
        shared cache would let a stranger change the cache.
        """
        folders = Folders(scratch)
        work, cache = scratch / "work", scratch / "cache"
        for folder in (work, cache):
            folder.mkdir()
        if check_out is not None:
            await asyncio.to_thread(check_out, work)
        for name, text in files.items():
            (work / name).write_text(text)
        await asyncio.to_thread(self.engine.furnish, folders)
        self._connect(folders)
        binds = [(work, _FOLDER), (cache, "/var/cache/uv"), (folders.home, "/home/user")]
        if venv is not None:
            binds.append((venv, _VENV))
        await asyncio.to_thread(self.engine.hand_over, [source for source, _ in binds])
        yield Workroom(
            work,
            _UV,
            f"{_VENV}/bin/python",
            self._environment(),
            tuple(self._frame(folders, interpreter, binds)),
            ("--link-mode", "copy"),
        )

    def _frame(self, folders: Folders, interpreter: Interpreter, binds: list[tuple[Path, str]]) -> list[str]:
        frame = self.engine.shell(folders, interpreter, own_network=False)
        for parent in ("/home", "/var", "/var/cache", "/opt", "/opt/spacehand"):
            frame += ["--perms", "0755", "--dir", parent]
        frame += ["--ro-bind", self.uv, _UV]
        for place in self._places():
            for above in reversed(place.parents[:-1]):
                frame += ["--perms", "0755", "--dir", str(above)]
            frame += ["--ro-bind", str(place), str(place)]
        for source, target in binds:
            frame += ["--bind", str(source), target]
        return [*frame, "--chdir", _FOLDER, "--", *self.engine.as_user()]

    def _places(self) -> list[Path]:
        """Return the folders of this machine where its owner said that packages lie."""
        found = []
        for place in local_places(self.environment):
            real = place.resolve()
            around = any(closed.resolve().is_relative_to(real) for closed in self.closed)
            inside = any(real.is_relative_to(closed.resolve()) for closed in self.closed[:1])
            shown = any(real.is_relative_to(part) for part in ("/usr", "/etc"))
            if real.exists() and not (around or inside or shown):
                found.append(place)
        return found

    def _environment(self) -> dict[str, str]:
        return without_credentials(self.environment) | {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": "/home/user",
            "TMPDIR": "/tmp",  # noqa: S108 - the sandbox's own
            "UV_CACHE_DIR": "/var/cache/uv",
            "UV_PYTHON_DOWNLOADS": "never",
        }

    def _connect(self, folders: Folders) -> None:
        """Let names be resolved as on this machine."""
        for name in _NETWORK_FILES:
            with contextlib.suppress(OSError):
                (folders.system / name).write_text(Path("/etc", name).read_text())
        (folders.system / "nsswitch.conf").write_text(_NAMES)
