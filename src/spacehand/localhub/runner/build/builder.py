"""Builds a Space's Python environment, and tells it in the Hub's words."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from spacehand.localhub.runner import command
from spacehand.localhub.runner.build import requirements
from spacehand.localhub.runner.build.package_index import redacted, uv_environment
from spacehand.localhub.runner.build.plan import PACKAGES, PRE_REQUIREMENTS, REQUIREMENTS, BuildPlan
from spacehand.localhub.runner.build.solves import keep_text, kept_text
from spacehand.localhub.runner.build.workroom import Workroom

if TYPE_CHECKING:
    from spacehand.localhub.runner.build.layer import Layer, Layers
    from spacehand.localhub.runner.build.quarantine import Quarantine
    from spacehand.localhub.runner.images.builder import Image

BUILD_SECONDS = 30 * 60.0  # after which the Hub gives a build up
_LOCK = "lock.txt"
_SDK = "sdk.in"
_INSTALL = ("--no-deps",)


class BuildFailedError(Exception):
    """The build ended without a result; *message* is what the Hub shows, the log says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Built:
    """What a build leaves behind: a layer, an image, or of a static Space its pages if they were made."""

    layer: Layer | None
    differences: tuple[str, ...]
    image: Image | None = None
    site: Path | None = None  # the folder that `app_build_command` filled


@dataclass
class Builder:
    """
    Turns plans into layers.

    Solves and installs with uv, from where pip would take packages. During both it sees the requirements
    files and nothing else of the repository, as on the Hub. It takes wheels wherever there are: what has to
    be built from source runs its authors' code, and is built in quarantine.
    """

    layers: Layers
    solves: Path
    quarantine: Quarantine | None = None
    unsafe: bool = False  # without a sandbox, let strangers' build scripts run as the Hub's own user
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

    def open_room(self, folder: Path, *, venv: Path | None = None, only_wheels: bool = True) -> Workroom:
        """Return *folder* as a room without walls, where no code but uv's own may run."""
        options = ("--no-build",) if only_wheels else ("--link-mode", "copy")
        programs = str((venv or folder / "venv") / "bin/python")
        return Workroom(folder, self.uv, programs, self.environment, options=options)

    async def _build(self, plan: BuildPlan, log: Callable[[str], None], *, factory: bool) -> Built:
        if not plan.needs_layer:
            log("--> COPY . /app\nDONE 0.0s")
            return Built(None, plan.differences)
        log(f"--> FROM python:{plan.interpreter.version} ({plan.interpreter.path})\nDONE 0.0s")
        differences = plan.differences + await _check_packages(plan, log)
        run = _Run(self, plan, log, factory)
        layer = await run.make()
        log("--> COPY --link ./ /app\nDONE 0.0s")
        return Built(layer, _own_sdk_version(plan, layer) + differences)


def _own_sdk_version(plan: BuildPlan, layer: Layer) -> tuple[str, ...]:
    """Say which Gradio was taken when the README leaves it open."""
    if plan.card.sdk_version is not None:
        return ()
    return tuple(
        f"README names no sdk_version: this Hub took Gradio {line.partition('==')[2]}; "
        "huggingface.co may take another"
        for line in requirements.lines(layer.lock)
        if requirements.name(line) == "gradio"
    )


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
    without_wheel: set[str] = field(default_factory=set)  # packages that have to be built from source

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

    # Solve

    async def _solve(self) -> str:
        """Return the lock: every package and its version, requirements and SDK solved in one go."""
        cache = self.builder.solves / f"{self._solve_key()}.txt"
        if not self.factory and (known := kept_text(cache)) is not None:
            return known
        text = None
        if not self.plan.unusual:
            text = await self._solve_with_wheels()
        if text is None:
            text = await self._solve_from_source()
        await asyncio.to_thread(keep_text, cache, text)
        return text

    async def _solve_with_wheels(self) -> str | None:
        """Return the lock if every package has a wheel: then no stranger's code has to run."""
        said: list[str] = []
        async with self.builder.layers.scratch() as folder:
            for name, text in self._inputs().items():
                (folder / name).write_text(text)
            room = self.builder.open_room(folder)
            code, lock = await self._compile(room, said.append)
        if code == 0:
            self._say(*said)
            return lock
        self.without_wheel = requirements.without_wheel(said)
        if not self.without_wheel:
            self._say(*said)
            self._fail(code)
        return None

    async def _solve_from_source(self) -> str:
        async with self._source_room(self._inputs()) as room:
            code, lock = await self._compile(room, self._say)
        if code:
            self._fail(code)
        # Written where strangers' code ran: it may name packages, and no file or index of this machine.
        if any(line.startswith("-") or "${" in line for line in requirements.lines(lock)):
            self._say("error: the solver's answer is no list of packages")
            self._fail(1)
        return lock

    def _inputs(self) -> dict[str, str]:
        texts = {REQUIREMENTS: self.plan.requirements, _SDK: "\n".join(self.plan.sdk_requirements) + "\n"}
        if self.plan.pre_requirements:
            texts[PRE_REQUIREMENTS] = self.plan.pre_requirements
        return texts

    async def _compile(self, room: Workroom, output: Callable[[str], None]) -> tuple[int, str]:
        """Return uv's exit code and the lock."""
        more = ["-o", _LOCK, "--python", str(self.plan.interpreter.path), "--no-header", "--no-annotate"]
        if self.factory:
            more.append("--refresh")

        async def solve(*inputs: str) -> tuple[int, str]:
            said = partial(_tell_without_lock, output)
            code = await room.pip("compile", *inputs, *more, output=said)
            return code, "" if code else room.read(_LOCK)

        code, earlier = await solve(PRE_REQUIREMENTS) if self.plan.pre_requirements else (0, "")
        if code:
            return code, ""
        # What is in the lock already is kept where it can be, as pip keeps what is installed.
        code, lock = await solve(REQUIREMENTS, _SDK)
        return code, requirements.joined(earlier, lock)

    # Install

    async def _install(self, lock: str) -> tuple[Layer, bool]:
        """Return the layer that holds what *lock* lists, and whether it had to be installed."""

        async def fill(folder: Path) -> None:
            await self._install_into(folder, list(requirements.lines(lock)))
            (folder / "lock.txt").write_text(lock)
            (folder / "python.json").write_text(json.dumps({"version": self.plan.interpreter.version}))

        return await self.builder.layers.make(self.plan.layer_key(lock), fill, anew=self.factory)

    async def _install_into(self, folder: Path, lock: list[str]) -> None:
        """Install all wheels, which is only unpacking; what has none is then built beside them, shut in."""
        while True:
            wheels, sources = self._parted(lock)
            room = self.builder.open_room(folder)
            # Anew for each try: an environment with a stranger's packages runs their code when it is asked.
            await self._venv(room)
            if not wheels:
                break
            (folder / REQUIREMENTS).write_text(self.plan.index_options + "\n".join(wheels) + "\n")
            # Linked to the shared cache, unless a stranger's build could then write into it.
            known = len(self.without_wheel)
            code = await self._install_wheels(room, "copy" if sources else "hardlink")
            (folder / REQUIREMENTS).unlink()
            if code == 0:
                break
            if len(self.without_wheel) == known:
                self._fail(code)
        if sources:
            await self._install_sources(folder / "venv", sources)

    def _parted(self, lock: list[str]) -> tuple[list[str], list[str]]:
        """Return the lines of *lock* that are wheels, as far as it is known, and those that are not."""
        sources = [
            line
            for line in lock
            if not requirements.is_plain(line) or requirements.name(line) in self.without_wheel
        ]
        return [line for line in lock if line not in sources], sources

    async def _venv(self, room: Workroom) -> None:
        options = ["--relocatable", "--no-project", "--clear", "--python", str(self.plan.interpreter.path)]
        code = await room.run("venv", *options, "venv", output=self._say)
        if code:
            self._fail(code)

    async def _install_wheels(self, room: Workroom, link_mode: str) -> int:
        """Return uv's exit code; `without_wheel` grows by packages that proved to have no wheel."""
        arguments = [*_INSTALL, "--python", room.venv, "--link-mode", link_mode, "-r", REQUIREMENTS]
        # With all wheels at hand this needs no network and takes a tenth of the time.
        said: list[str] = []
        if await room.pip("install", *arguments, "--offline", output=said.append) == 0:
            self._say(*said)
            return 0
        said.clear()
        await self._venv(room)
        code = await room.pip("install", *arguments, output=said.append)
        missing = requirements.without_wheel(said) - self.without_wheel if code else set()
        self.without_wheel |= missing
        if not missing:
            self._say(*said)
        return code

    async def _install_sources(self, venv: Path, sources: list[str]) -> None:
        text = self.plan.index_options + "\n".join(sources) + "\n"
        async with self._source_room({REQUIREMENTS: text}, venv=venv) as room:
            arguments = [*_INSTALL, "--python", room.venv, "-r", REQUIREMENTS]
            code = await room.pip("install", *arguments, output=self._say)
            if code:
                self._fail(code)

    # Where

    @asynccontextmanager
    async def _source_room(self, files: dict[str, str], venv: Path | None = None) -> AsyncIterator[Workroom]:
        """
        Yield a room in which packages may be built from source.

        Raises:
            BuildFailedError: this machine has no sandbox for strangers' build scripts.
        """
        builder = self.builder
        names = ", ".join(f"`{name}`" for name in [*self.plan.unusual, *sorted(self.without_wheel)])
        why_not = await builder.quarantine.why_not() if builder.quarantine else "this Hub has none"
        if why_not and not builder.unsafe:
            message = (
                f"{names or 'A package'} has to be built from source. That runs code of its authors, and "
                f"there is no sandbox to do it in: {why_not}. "
                "Install bubblewrap (`apt-get install bubblewrap`), name packages that have wheels, "
                "or start the Hub with `--unsafe-builds`"
            )
            self.log(f"--> ERROR: {redacted(message)}")
            raise BuildFailedError(redacted(message))
        where = "on this machine, as --unsafe-builds allows" if why_not else "in a sandbox with a network"
        self._say(f"[spacehand] {names or 'what has no wheel'}: built from source, {where}")
        async with builder.layers.scratch() as scratch:
            if why_not or builder.quarantine is None:
                for name, text in files.items():
                    (scratch / name).write_text(text)
                yield builder.open_room(scratch, venv=venv, only_wheels=False)
                return
            async with builder.quarantine.room(scratch, self.plan.interpreter, files, venv=venv) as room:
                yield room

    def _fail(self, code: int) -> NoReturn:
        if any("No solution found" in line for line in self.said):
            self.log("ERROR: ResolutionImpossible: the requirements and the SDK's version exclude each other")
        shown = self.plan.install_command
        self.log(f'--> ERROR: process "/bin/sh -c {shown}" did not complete successfully: exit code: 1')
        raise BuildFailedError(
            f"Job failed with exit code: 1. Reason: cache miss: [{shown}] (uv ended with exit code {code})"
        )

    def _say(self, *texts: str) -> None:
        for said in texts:
            text = redacted(said).strip("\n")
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


def _tell_without_lock(output: Callable[[str], None], text: str) -> None:
    """Tell what the solver says, without the lock that it prints as well."""
    output("\n".join(line for line in text.splitlines() if "==" not in line or " " in line.strip()))


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
