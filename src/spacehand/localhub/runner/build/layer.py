"""Installed requirements: one folder per lock, Python and platform, shared by all that need just that."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from spacehand.localhub.runner import command
from spacehand.localhub.runner.build.interpreter import Interpreter

_COMPILED = "compiled"
_WRITTEN = "written"  # the boot during which it was made; "" once all of it is on the disk
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_RECENT = 5  # layers that are kept although no Space uses them now


@dataclass(frozen=True, slots=True)
class Layer:
    """A virtual environment that nobody writes to any more, but for its byte code."""

    folder: Path

    @property
    def key(self) -> str:
        return self.folder.name

    @property
    def venv(self) -> Path:
        return self.folder / "venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin/python"

    @property
    def lock(self) -> str:
        """What is installed: one ``name==version`` a line."""
        return (self.folder / "lock.txt").read_text()

    @property
    def is_compiled(self) -> bool:
        return (self.folder / _COMPILED).exists()


class Layers:
    """All layers in one folder. A layer has its name only once it is complete."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: dict[str, asyncio.Lock] = {}
        self._held: Counter[str] = Counter()
        self._compiling = asyncio.Semaphore(1)

    def sweep(self) -> None:
        """Remove what a killed Hub had half installed."""
        for path in self._folder.glob(".new-*"):
            shutil.rmtree(path, ignore_errors=True)

    def find(self, key: str) -> Layer | None:
        """Return the complete layer of that name, if there is one."""
        layer = Layer(self._folder / key)
        if not (layer.folder / "lock.txt").exists() or not self._is_whole(layer):
            return None
        os.utime(layer.folder)  # used now
        return layer

    def prune(self, used: Collection[str]) -> list[str]:
        """Remove all layers but those *used*, those in use, and the few used last; return their names."""
        others = [
            path
            for path in self._folder.iterdir()
            if (path / "venv").is_dir() and path.name not in used and not self._held[path.name]
        ]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for path in others[_RECENT:]:
            # The name goes first: what is left of a layer must never look like one.
            gone = path.rename(path.with_name(f".new-{path.name[:12]}-{secrets.token_hex(4)}"))
            shutil.rmtree(gone, ignore_errors=True)
        return [path.name for path in others[_RECENT:]]

    def hold(self, venv: Path) -> None:
        """Keep the layer of *venv*: an app runs from it."""
        self._held[venv.parent.name] += 1

    def release(self, venv: Path) -> None:
        """Undo one `hold`."""
        self._held[venv.parent.name] -= 1

    def _is_whole(self, layer: Layer) -> bool:
        """Whether no power failure can have torn the layer: it is from this boot, or was synced."""
        try:
            made = (layer.folder / _WRITTEN).read_text()
        except OSError:
            return True  # of an older release
        return made in ("", _boot())

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[Path]:
        """Yield an empty folder on the layers' own disk; it is gone afterwards, also if the Hub is killed."""
        folder = self._folder / f".new-{secrets.token_hex(4)}"
        folder.mkdir(mode=0o755)
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def make(
        self, key: str, install: Callable[[Path], Awaitable[None]], *, anew: bool = False
    ) -> tuple[Layer, bool]:
        """
        Return the layer and whether it had to be made: *install* fills an empty folder.

        *anew* installs even if the layer is there; apps that run from the old files keep them.
        """
        async with self._locks.setdefault(key, asyncio.Lock()):
            found = self.find(key)
            if found is not None and not anew:
                return found, False
            fresh = self._folder / f".new-{key[:12]}-{secrets.token_hex(4)}"
            fresh.mkdir(mode=0o755)
            try:
                await install(fresh)
                (fresh / _WRITTEN).write_text(_boot())
                await asyncio.to_thread(self._publish, fresh, self._folder / key)
            finally:
                await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
            return Layer(self._folder / key), True

    def _publish(self, fresh: Path, target: Path) -> None:
        aside = fresh.with_name(f"{fresh.name}.old")
        if target.exists():
            target.rename(aside)
        fresh.rename(target)
        shutil.rmtree(aside, ignore_errors=True)

    async def settle(self, layer: Layer, interpreter: Interpreter) -> None:
        """
        Write the byte code and bring all to the disk, at low priority; once, and best after the first start.

        Each file appears whole or not at all, so apps may run from the layer meanwhile.
        """
        async with self._compiling:
            if layer.is_compiled or not layer.folder.exists():
                return
            if not await asyncio.to_thread(_leads_out, layer.venv):
                await self._compile(layer, interpreter)
            (layer.folder / _COMPILED).touch()
            await asyncio.to_thread(_sync, layer.folder)
            (layer.folder / _WRITTEN).write_text("")

    async def _compile(self, layer: Layer, interpreter: Interpreter) -> None:
        # Not by the layer's own Python: at its start it runs what the packages left for that (`*.pth`).
        compile_all = [str(interpreter.path), "-I", "-S", "-m", "compileall", "-q", "-j", "1"]
        await command.run(
            [*_gently(), *compile_all, str(layer.venv / "lib")],
            environment={"PATH": os.defpath, "LANG": "C.UTF-8"},
            folder=layer.folder,
            output=_ignore,  # a package may ship files that are no Python; they just stay uncompiled
        )


def _leads_out(venv: Path) -> bool:
    """Return whether a link among the packages could make the compiler write anywhere else."""
    top = venv.resolve()
    for folder, folders, _ in os.walk(venv / "lib"):
        for name in folders:
            path = Path(folder, name)
            if path.is_symlink() and not path.resolve().is_relative_to(top):
                return True
    return False


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""  # a system that does not tell: taken for whole


def _sync(folder: Path) -> None:
    """Write everything on *folder*'s disk to it."""
    sync = shutil.which("sync")
    done = sync is not None and subprocess.run([sync, "-f", folder], capture_output=True, check=False)
    if not done or done.returncode:
        os.sync()


def _gently() -> list[str]:
    nice = shutil.which("nice")
    ionice = shutil.which("ionice")
    return ([nice, "-n", "19"] if nice else []) + ([ionice, "-c", "3"] if ionice else [])


def _ignore(_text: str) -> None:
    return
