"""Builds a Space's Python environment, and tells it in the Hub's words."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from spacehand.localhub.runner import command
from spacehand.localhub.runner.package_index import redacted, uv_environment
from spacehand.localhub.runner.plan import PACKAGES, PRE_REQUIREMENTS, REQUIREMENTS, BuildPlan

if TYPE_CHECKING:
    from spacehand.localhub.runner.layer import Layer, Layers

BUILD_SECONDS = 30 * 60.0  # after which the Hub gives a build up


class BuildFailedError(Exception):
    """The build ended without a result; *message* is what the Hub shows, the log says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Built:
    """What a build leaves behind; *layer* is None for a static Space."""

    layer: Layer | None
    differences: tuple[str, ...]


@dataclass
class Builder:
    """
    Turns plans into layers.

    Solves and installs with uv, from where pip would take packages. During both it sees the requirements
    files and nothing else of the repository, as on the Hub.
    """

    layers: Layers
    solves: Path
    uv: str = field(default_factory=lambda: _find_uv())
    environment: dict[str, str] = field(default_factory=uv_environment, repr=False)
    now: Callable[[], float] = time.time

    async def build(
        self,
        plan: BuildPlan,
        log: Callable[[str], None],
        *,
        factory: bool = False,
        limit: float = BUILD_SECONDS,
    ) -> Built:
        """
        Return what *plan* needs to run; *factory* solves and installs anew.

        Raises:
            BuildFailedError: the requirements cannot be solved or installed, or not within *limit* seconds.
        """
        log(queued_line(plan.sha, self.now()))
        try:
            async with asyncio.timeout(limit):
                return await self._build(plan, log, factory=factory)
        except TimeoutError:
            log(f"--> ERROR: the build did not end within {limit / 60:.0f} min")
            raise BuildFailedError("Build error: Job timeout") from None

    async def _build(self, plan: BuildPlan, log: Callable[[str], None], *, factory: bool) -> Built:
        if not plan.needs_layer:
            log("--> COPY . /app\nDONE 0.0s")
            return Built(None, plan.differences)
        log(f"--> FROM python:{plan.interpreter.version} ({plan.interpreter.path})\nDONE 0.0s")
        differences = plan.differences + await _check_packages(plan, log)
        run = _Run(self, plan, log, factory)
        layer = await run.make()
        log("--> COPY --link ./ /app\nDONE 0.0s")
        return Built(layer, differences)


def queued_line(sha: str, at: float) -> str:
    """Return the line that begins every build log."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"===== Build Queued at {moment:%Y-%m-%d %H:%M:%S} / Commit SHA: {sha[:7]} ====="


@dataclass
class _Run:
    """One build under way."""

    builder: Builder
    plan: BuildPlan
    log: Callable[[str], None]
    factory: bool
    said: list[str] = field(default_factory=list)

    async def make(self) -> Layer:
        """Return the layer, telling the steps as the Hub does."""
        began = time.monotonic()
        if self.plan.pre_requirements:
            self.log(_run_line(PRE_REQUIREMENTS, self.plan.pre_install_command))
        self.log(_run_line(REQUIREMENTS, self.plan.install_command))
        lock = await self._solve()
        layer, made = await self._install(lock)
        self.log(f"DONE {time.monotonic() - began:.1f}s" if made else "CACHED")
        return layer

    async def _solve(self) -> str:
        """Return the lock: every package and its version, requirements and SDK solved in one go."""
        cache = self.builder.solves / f"{self._solve_key()}.txt"
        if cache.exists() and not self.factory:
            return cache.read_text()
        with tempfile.TemporaryDirectory(prefix="spacehand-solve-") as temporary:
            folder = Path(temporary)
            lock = folder / "lock/lock.txt"
            lock.parent.mkdir()
            if self.plan.pre_requirements:
                (folder / PRE_REQUIREMENTS).write_text(self.plan.pre_requirements)
                await self._compile(folder, [PRE_REQUIREMENTS], lock)
            (folder / REQUIREMENTS).write_text(self.plan.requirements)
            sdk = folder / "lock/sdk.in"
            sdk.write_text("\n".join(self.plan.sdk_requirements) + "\n")
            # What is in the lock already is kept where it can be, as pip keeps what is installed.
            await self._compile(folder, [REQUIREMENTS, str(sdk)], lock)
            text = lock.read_text()
        self.builder.solves.mkdir(parents=True, exist_ok=True)
        fresh = cache.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(cache)
        return text

    async def _install(self, lock: str) -> tuple[Layer, bool]:
        """Return the layer that holds what *lock* lists, and whether it had to be installed."""

        async def fill(folder: Path) -> None:
            (folder / "requirements.txt").write_text(self.plan.index_options + lock)
            venv = [
                "venv",
                "--relocatable",
                "--no-project",
                "--python",
                str(self.plan.interpreter.path),
                "venv",
            ]
            await self._uv(venv, folder)
            await self._install_into(folder)
            (folder / "requirements.txt").unlink()
            (folder / "lock.txt").write_text(lock)
            (folder / "python.json").write_text(json.dumps({"version": self.plan.interpreter.version}))

        return await self.builder.layers.make(self.plan.layer_key(lock), fill, anew=self.factory)

    async def _install_into(self, folder: Path) -> None:
        install = ["pip", "install", "--python", "venv/bin/python", "--no-deps", "--link-mode", "hardlink"]
        install += ["-r", "requirements.txt"]
        # With all wheels at hand this needs no network and takes a tenth of the time.
        quiet: list[str] = []
        code = await command.run(
            [self.builder.uv, *install, "--offline"],
            environment=self.builder.environment,
            folder=folder,
            output=quiet.append,
        )
        if code == 0:
            self._say("\n".join(quiet))
        else:
            await self._uv(install, folder)

    async def _compile(self, folder: Path, inputs: list[str], lock: Path) -> None:
        python = str(self.plan.interpreter.path)
        compile_ = [
            "pip",
            "compile",
            *inputs,
            "-o",
            str(lock),
            "--python",
            python,
            "--no-header",
            "--no-annotate",
        ]
        if self.factory:
            compile_.append("--refresh")
        await self._uv(compile_, folder, output=lambda text: self._say(_without_lock(text)))

    async def _uv(
        self, arguments: list[str], folder: Path, output: Callable[[str], None] | None = None
    ) -> None:
        code = await command.run(
            [self.builder.uv, "--no-progress", "--color", "never", *arguments],
            environment=self.builder.environment,
            folder=folder,
            output=output or self._say,
        )
        if code:
            self._fail(code)

    def _fail(self, code: int) -> None:
        if any("No solution found" in line for line in self.said):
            self.log("ERROR: ResolutionImpossible: the requirements and the SDK's version exclude each other")
        shown = self.plan.install_command
        self.log(f'--> ERROR: process "/bin/sh -c {shown}" did not complete successfully: exit code: 1')
        raise BuildFailedError(
            f"Job failed with exit code: 1. Reason: cache miss: [{shown}] (uv ended with exit code {code})"
        )

    def _say(self, text: str) -> None:
        text = redacted(text).strip("\n")
        if text:
            self.said.append(text)
            self.log(text)

    def _solve_key(self) -> str:
        # Another index may have other versions; its address with credentials is only ever hashed.
        where = sorted(
            (name, value)
            for name, value in self.builder.environment.items()
            if "INDEX" in name or "LINKS" in name
        )
        return hashlib.sha256(f"{self.plan.solve_key} {where}".encode()).hexdigest()


def _run_line(source: str, shown: str) -> str:
    return f"--> RUN --mount=target=/tmp/{source},source={source} {shown}"


def _without_lock(text: str) -> str:
    """Return what the solver says, without the lock that it prints as well."""
    return "\n".join(line for line in text.splitlines() if "==" not in line or " " in line.strip())


async def _check_packages(plan: BuildPlan, log: Callable[[str], None]) -> tuple[str, ...]:
    """Return how the Debian packages of this machine differ from those that the Space asks for."""
    if not plan.apt_packages:
        return ()
    names = " ".join(plan.apt_packages)
    log(f"--> RUN --mount=target=/root/{PACKAGES},source={PACKAGES} apt-get install -y {names}")
    query = shutil.which("dpkg-query")
    if query is None:
        log("nothing is installed here, and without dpkg nobody can tell what is there")
        return tuple(
            f"{PACKAGES}: `{name}` was not checked: this system has no dpkg" for name in plan.apt_packages
        )
    missing = []
    for name in plan.apt_packages:
        bare = name.split("=")[0]
        said: list[str] = []
        shown = [query, "-W", "-f", "${db:Status-Status}", bare]
        code = await command.run(shown, environment={"LC_ALL": "C"}, folder=Path("/"), output=said.append)
        if code or "".join(said) != "installed":
            missing.append(bare)
    for name in missing:
        log(f"WARNING: {name} is not installed on this machine; install it yourself: apt-get install {name}")
    log("DONE 0.0s")
    return tuple(f"{PACKAGES}: `{name}` is not installed on this machine" for name in missing)


def _find_uv() -> str:
    from uv import find_uv_bin  # costs a search of the file system; not at import

    try:
        return str(find_uv_bin())
    except FileNotFoundError:
        found = shutil.which("uv")
        if found is None:
            raise RuntimeError(f"uv is not installed beside {sys.executable}") from None
        return found
