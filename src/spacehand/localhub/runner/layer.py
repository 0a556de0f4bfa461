"""Installed requirements: one folder per lock, Python and platform, shared by all that need just that."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from spacehand.localhub.runner import command

_COMPILED = "compiled"


@dataclass(frozen=True, slots=True)
class Layer:
    """A virtual environment that nobody writes to any more, but for its byte code."""

    folder: Path

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
        self._compiling = asyncio.Semaphore(1)

    def sweep(self) -> None:
        """Remove what a killed Hub had half installed."""
        for path in self._folder.glob(".new-*"):
            shutil.rmtree(path, ignore_errors=True)

    def find(self, key: str) -> Layer | None:
        """Return the complete layer of that name, if there is one."""
        folder = self._folder / key
        return Layer(folder) if (folder / "lock.txt").exists() else None

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

    async def compile(self, layer: Layer) -> None:
        """
        Write the byte code, at low priority; once per layer, and only worth it after the first start.

        Each file appears whole or not at all, so apps may run from the layer meanwhile.
        """
        async with self._compiling:
            if layer.is_compiled or not layer.folder.exists():
                return
            compile_all = [
                str(layer.python),
                "-I",
                "-m",
                "compileall",
                "-q",
                "-j",
                "1",
                str(layer.venv / "lib"),
            ]
            await command.run(
                [*_gently(), *compile_all],
                environment={"PATH": os.defpath, "LANG": "C.UTF-8"},
                folder=layer.folder,
                output=_ignore,  # a package may ship files that are no Python; they just stay uncompiled
            )
            (layer.folder / _COMPILED).touch()


def _gently() -> list[str]:
    nice = shutil.which("nice")
    ionice = shutil.which("ionice")
    return ([nice, "-n", "19"] if nice else []) + ([ionice, "-c", "3"] if ionice else [])


def _ignore(_text: str) -> None:
    return
