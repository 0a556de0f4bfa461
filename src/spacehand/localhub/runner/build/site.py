"""Makes the pages of a static Space: ``app_build_command`` of its README."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from spacehand.localhub.runner import command
from spacehand.localhub.runner.build.builder import BUILD_SECONDS, BuildFailedError, Built, queued_line
from spacehand.localhub.runner.build.package_index import redacted, uv_environment

if TYPE_CHECKING:
    from spacehand.localhub.runner.build.layer import Layers
    from spacehand.localhub.runner.build.plan import BuildPlan
    from spacehand.localhub.runner.build.quarantine import Quarantine

_PACKAGES = "node_modules"
_QUIETLY = "--no-audit --no-fund"
_NOT_FOUND = 127  # the shell's exit code


@dataclass(frozen=True, slots=True)
class SiteOrder:
    """One build of one Space's pages."""

    folder: Path  # for built pages, one folder for each commit
    check_out: Callable[[Path], None]  # writes the commit's files to a folder
    factory: bool = False  # build anew, even if the pages are there


@dataclass
class SiteBuilder:
    """
    Runs the commands in quarantine, as strangers' code: with this machine's network and none of its files.

    What is served then is the folder of ``app_file``: a page asks for ``/assets/…`` and means beside itself.
    """

    layers: Layers
    quarantine: Quarantine | None
    unsafe: bool = False  # without a sandbox, run the command as the Hub's own user
    environment: Mapping[str, str] = field(default_factory=uv_environment, repr=False)
    now: Callable[[], float] = time.time

    async def build(
        self,
        plan: BuildPlan,
        order: SiteOrder,
        log: Callable[[str], None],
        *,
        limit: float = BUILD_SECONDS,
    ) -> Built:
        """
        Return the pages of *plan*'s commit.

        Raises:
            BuildFailedError: a command fails, or does not make ``app_file``, or not within *limit* seconds.
        """
        log(queued_line(plan.sha, self.now()))
        site = order.folder / plan.sha
        if site.is_dir() and not order.factory:
            log(f"--> RUN {plan.card.app_build_command}\nCACHED")
            return Built(None, plan.differences, site=site)
        try:
            async with asyncio.timeout(limit), self.layers.scratch() as scratch:
                async with self._room(scratch, plan, order, log) as (folder, run):
                    for line in _commands(folder, plan):
                        await _run(line, run, log)
                await asyncio.to_thread(_keep, folder, plan.card.app_file, site)
        except TimeoutError:
            log(f"--> ERROR: the build did not end within {limit / 60:.0f} min")
            raise BuildFailedError("Build error: Job timeout") from None
        except BuildFailedError as error:
            log(f"--> ERROR: {error.message}")
            raise
        return Built(None, plan.differences, site=site)

    @asynccontextmanager
    async def _room(
        self, scratch: Path, plan: BuildPlan, order: SiteOrder, log: Callable[[str], None]
    ) -> AsyncIterator[tuple[Path, _Run]]:
        """Yield the folder with the commit's files, and what runs a command in it."""
        why_not = await self.quarantine.why_not() if self.quarantine else "this Hub has none"
        if why_not and not self.unsafe:
            raise BuildFailedError(
                "`app_build_command` runs code of its authors, and there is no sandbox to do it in: "
                f"{why_not}. Install bubblewrap (`apt-get install bubblewrap`), or start the Hub with "
                "`--unsafe-builds`"
            )
        if why_not or self.quarantine is None:
            log("[spacehand] built on this machine, as --unsafe-builds allows")
            folder = scratch / "work"
            await asyncio.to_thread(order.check_out, folder)
            yield folder, _Run((), folder, self.environment, log)
            return
        log("[spacehand] built in a sandbox with a network")
        async with self.quarantine.room(scratch, plan.interpreter, {}, check_out=order.check_out) as room:
            yield room.folder, _Run(room.frame, room.folder, room.environment, log)


@dataclass(frozen=True, slots=True)
class _Run:
    """A way to run a shell's command line."""

    frame: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(repr=False)
    log: Callable[[str], None]

    async def __call__(self, line: str) -> int:
        """Return the exit code; what is said goes into the log."""
        return await command.run(
            [*self.frame, "/bin/sh", "-c", line],
            environment={"CI": "true", "LANG": "C.UTF-8", **self.environment},
            folder=self.folder,
            output=lambda text: self.log(redacted(text).rstrip("\n")),
        )


def _commands(folder: Path, plan: BuildPlan) -> list[str]:
    """Return what runs, in order: the packages that the pages are built with, then the README's own."""
    own = plan.card.app_build_command
    if not (folder / "package.json").is_file():
        return [own]
    locked = (folder / "package-lock.json").is_file()
    return [f"npm {'ci' if locked else 'install'} {_QUIETLY}", own]


async def _run(line: str, run: _Run, log: Callable[[str], None]) -> None:
    log(f"--> RUN {line}")
    began = time.monotonic()
    code = await run(line)
    if code:
        if code == _NOT_FOUND:
            log("[spacehand] in the sandbox there are this machine's programs under /usr, and no others")
        log(f'process "/bin/sh -c {line}" did not complete successfully: exit code: {code}')
        raise BuildFailedError(f"Job failed with exit code: {code}. Reason: {line}")
    log(f"DONE {time.monotonic() - began:.1f}s")


def _keep(folder: Path, app_file: str, site: Path) -> None:
    """Copy the pages from where strangers' code ran to *site*; a half copy never has that name."""
    top = folder.resolve()
    page = (folder / PurePosixPath(app_file)).resolve()
    if not page.is_file() or not page.is_relative_to(top):
        raise BuildFailedError(f"`app_build_command` has not made `{app_file}`")
    left_out = shutil.ignore_patterns(_PACKAGES, ".git") if page.parent == top else None
    site.parent.mkdir(parents=True, exist_ok=True)
    for earlier in site.parent.iterdir():
        shutil.rmtree(earlier, ignore_errors=True)
    fresh = site.with_name(f".{site.name}")
    try:
        shutil.copytree(page.parent, fresh, symlinks=True, ignore=left_out)
    except OSError as error:  # a pipe among the pages, say
        raise BuildFailedError(f"What `app_build_command` has made cannot be kept: {error}") from error
    fresh.rename(site)
