"""Builds a Space's container image, and tells it in the Hub's words."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from spacehand.localhub.runner.build.builder import BUILD_SECONDS, BuildFailedError, Built, queued_line
from spacehand.localhub.runner.build.package_index import certificates, pip_configuration
from spacehand.localhub.runner.build.plan import BuildPlan
from spacehand.localhub.runner.images.streamlit import (
    APP,
    CERTIFICATES,
    CERTIFICATES_AT,
    MODELS,
    PIP_SETTINGS,
)
from spacehand.localhub.runner.images.transcript import Transcript

# Docker knows these arguments without an ARG.
_PREDEFINED = frozenset(
    name
    for one in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (one, one.lower())
)
_NOT_PRELOADED = (
    "`preload_from_hub` changes nothing beside a Dockerfile, which is built as it is: "
    "download what the image needs in one of its steps"
)
_KEPT_IMAGES = 3  # of each Space: what serves, what is built, and one to go back to


@dataclass(frozen=True, slots=True)
class Image:
    """A built image; *tag* names it to the tool that built it."""

    tag: str
    port: int


@dataclass(frozen=True, slots=True)
class Materials:
    """What a Space's build is made from, besides its plan."""

    uid: str  # of the repository
    subdomain: str
    check_out: Callable[[Path], None]  # writes the commit's files to a folder
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Puts the models that `preload_from_hub` names into a folder, and tells of it.
    preload: Callable[[Path, Callable[[str], None]], None] = lambda _folder, _log: None


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """One build, as a tool gets it."""

    context: Path
    dockerfile: Path
    tag: str
    labels: Mapping[str, str]
    arguments: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    files: Mapping[str, Path] = field(default_factory=dict)  # mounted as secrets are
    fresh: bool = False  # use nothing of earlier builds

    def options(self) -> tuple[list[str], dict[str, str]]:
        """
        Return the options that docker's and buildah's command lines share, and the environment they speak of.

        Secrets are in the environment alone: a command line can be read by everybody on the machine.
        """
        words = ["--no-cache"] if self.fresh else []
        for name, value in self.labels.items():
            words += ["--label", f"{name}={value}"]
        for name, value in self.arguments.items():
            words += ["--build-arg", f"{name}={value}"]
        hidden = {}
        for number, (name, value) in enumerate(sorted(self.secrets.items())):
            hidden[f"BUILD_SECRET_{number}"] = value
            words += ["--secret", f"id={name},env=BUILD_SECRET_{number}"]
        for name, path in self.files.items():
            words += ["--secret", f"id={name},src={path}"]
        return words, hidden


class ImageTool(Protocol):
    """A program that builds images from Dockerfiles."""

    async def has(self, tag: str) -> bool:
        """Return whether the image is there already."""
        ...

    async def build(self, order: BuildOrder, transcript: Transcript) -> int:
        """Build and return the program's exit code; what it says goes to *transcript*."""
        ...

    async def prune(self, labels: Mapping[str, str], keep: int) -> None:
        """Remove all images with *labels* but the newest *keep* and those in use."""
        ...


@dataclass
class ImageBuilder:
    """
    Turns plans with a recipe into images.

    Variables are build arguments. Secrets are handed to the tool's own process alone: they are on no command
    line and in no file, and an image holds one only if its Dockerfile copies it there.
    """

    tool: ImageTool
    scratch: Path
    hub: str  # marks what is this Hub's
    now: Callable[[], float] = time.time
    limit: float = BUILD_SECONDS

    async def build(
        self, plan: BuildPlan, materials: Materials, log: Callable[[str], None], *, factory: bool = False
    ) -> Built:
        """
        Return the image of *plan*; *factory* uses nothing of earlier builds.

        Raises:
            BuildFailedError: a step failed, or all did not end within `limit` seconds.
        """
        recipe = plan.recipe
        assert recipe is not None  # noqa: S101 - the caller chose this builder for it
        log(queued_line(plan.sha, self.now()))
        if plan.card.preload and not recipe.generated:
            log(f"[spacehand] {_NOT_PRELOADED}")
        for warning in recipe.warnings:
            log(f"[spacehand] {warning}")
        arguments = self._arguments(plan, materials)
        image = Image(self._tag(plan, materials, arguments), recipe.port)
        built = Built(None, (*plan.differences, *recipe.warnings), image)
        if not factory and await self.tool.has(image.tag):
            log("--> the image of this commit is there already\nCACHED")
            return built
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="image-", dir=self._room()))
        try:
            async with asyncio.timeout(self.limit):
                await self._build(plan, materials, image, arguments, folder, log, factory=factory)
        except TimeoutError:
            log(f"--> ERROR: the build did not end within {self.limit / 60:.0f} min")
            raise BuildFailedError("Build error: Job timeout") from None
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        await self.tool.prune(self._labels(materials), _KEPT_IMAGES)
        return built

    async def forget(self, uid: str) -> None:
        """Remove all images of the Space *uid* that are not in use."""
        await self.tool.prune({"spacehand.hub": self.hub, "spacehand.space": uid}, 0)

    async def _build(
        self,
        plan: BuildPlan,
        materials: Materials,
        image: Image,
        arguments: Mapping[str, str],
        folder: Path,
        log: Callable[[str], None],
        *,
        factory: bool,
    ) -> None:
        recipe = plan.recipe
        assert recipe is not None  # noqa: S101
        context, dockerfile = folder / "context", folder / "Dockerfile"
        await asyncio.to_thread(materials.check_out, context / APP if recipe.generated else context)
        dockerfile.write_text(recipe.text)
        secrets = dict(materials.secrets)
        files = {}
        if recipe.generated:
            await asyncio.to_thread(materials.preload, context / MODELS, log)
            trusted = certificates()
            if trusted is not None:
                files[CERTIFICATES] = Path(shutil.copy(trusted, folder / CERTIFICATES))
            secrets[PIP_SETTINGS] = pip_configuration(certificates=CERTIFICATES_AT if trusted else "")
        order = BuildOrder(
            context, dockerfile, image.tag, self._labels(materials), arguments, secrets, files, fresh=factory
        )
        transcript = Transcript(log)
        if await self.tool.build(order, transcript):
            raise BuildFailedError(transcript.failure())

    def _arguments(self, plan: BuildPlan, materials: Materials) -> dict[str, str]:
        assert plan.recipe is not None  # noqa: S101
        wanted = plan.recipe.dockerfile.arguments | _PREDEFINED
        return {name: value for name, value in materials.variables.items() if name in wanted}

    def _tag(self, plan: BuildPlan, materials: Materials, arguments: Mapping[str, str]) -> str:
        assert plan.recipe is not None  # noqa: S101
        digest = hashlib.sha256(f"{plan.sha} {plan.recipe.text} {sorted(arguments.items())}".encode())
        return f"spacehand-{self.hub}/{materials.subdomain}:{digest.hexdigest()[:16]}"

    def _labels(self, materials: Materials) -> dict[str, str]:
        return {"spacehand.hub": self.hub, "spacehand.space": materials.uid}

    def _room(self) -> Path:
        self.scratch.mkdir(parents=True, exist_ok=True)
        return self.scratch
