"""What a build will do, decided before anything is done."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from spacehand.localhub.runner.build import requirements
from spacehand.localhub.runner.build.interpreter import Choice, Interpreter
from spacehand.localhub.runner.card import CannotBuildError, Sdk, SpaceCard
from spacehand.localhub.runner.images import recipe as recipes
from spacehand.localhub.runner.images.recipe import Recipe
from spacehand.stage import Stage

REQUIREMENTS = "requirements.txt"
PRE_REQUIREMENTS = "pre-requirements.txt"
PACKAGES = "packages.txt"
README = "README.md"

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.:-]*(?:=\S+)?\Z")
_INSTALL = "pip install --no-cache-dir"


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """All that decides what a Space's Python environment will hold."""

    sha: str
    card: SpaceCard
    interpreter: Interpreter
    requirements: str = ""
    pre_requirements: str = ""
    sdk_requirements: tuple[str, ...] = ()
    apt_packages: tuple[str, ...] = ()
    differences: tuple[str, ...] = field(default=())
    recipe: Recipe | None = None  # of a Space that runs from a container image

    @property
    def needs_layer(self) -> bool:
        """A static Space has nothing to install, and an image has it all inside."""
        return self.card.sdk is not Sdk.STATIC and self.recipe is None

    @property
    def solve_key(self) -> str:
        """Names the question that the solve answers: same key, same question."""
        return _digest(
            "solve", self.pre_requirements, self.requirements, *self.sdk_requirements, self.environment
        )

    @property
    def environment(self) -> str:
        """The Python and the platform the packages are for."""
        return (
            f"{self.interpreter.version} {self.interpreter.prefix} {platform.system()} {platform.machine()}"
        )

    @property
    def install_command(self) -> str:
        """The one command that installs requirements and SDK, as the Hub's log shows it."""
        return f"{_INSTALL} -r /tmp/{REQUIREMENTS} " + " ".join(
            f'"{word}"' if ">" in word or "<" in word else word for word in self.sdk_requirements
        )

    @property
    def pre_install_command(self) -> str:
        """The command that installs what has to be there before."""
        return f"{_INSTALL} -r {PRE_REQUIREMENTS}"

    @property
    def index_options(self) -> str:
        """The lines of both requirements files that say where to look for packages."""
        return "".join(f"{line}\n" for line in self._asked if requirements.is_place(line))

    @property
    def unusual(self) -> tuple[str, ...]:
        """What the requirements ask for besides packages of an index and wheels at a URL."""
        return tuple(
            line
            for line in self._asked
            if not requirements.is_place(line) and not requirements.is_plain(line)
        )

    @property
    def _asked(self) -> tuple[str, ...]:
        return tuple(requirements.lines(f"{self.pre_requirements}\n{self.requirements}"))

    def layer_key(self, lock: str) -> str:
        """
        Names the installed environment: same lock, Python and platform, same files.

        So long as they are from the same place: an index of the Space's own may have another `six==1.17.0`.
        """
        places = (self.index_options,) if self.index_options else ()
        return _digest("layer", lock, self.environment, *places)


def plan(sha: str, card: SpaceCard, files: Mapping[str, bytes], choice: Choice) -> BuildPlan:
    """
    Return the build of commit *sha*; *files* holds those of the builder's own files that are there.

    Raises:
        CannotBuildError: the app's file is not there.
    """
    if card.app_file not in files and not card.app_build_command:
        raise CannotBuildError(Stage.NO_APP_FILE, f"No application file: `{card.app_file}` is not there")
    differences = [*choice.differences, *card.differences]
    if card.sdk is Sdk.STATIC:
        return BuildPlan(sha, card, choice.interpreter, differences=card.differences)
    if card.sdk.needs_image:
        return BuildPlan(
            sha,
            card,
            choice.interpreter,
            differences=card.differences,
            recipe=_recipe(card, files),
        )
    differences.append(
        "`datasets`, `hf-transfer`, ffmpeg and cmake come with huggingface.co's image, not here"
    )
    return BuildPlan(
        sha,
        card,
        choice.interpreter,
        requirements=_text(files, REQUIREMENTS),
        pre_requirements=_text(files, PRE_REQUIREMENTS),
        sdk_requirements=sdk_requirements(card.sdk_version),
        apt_packages=tuple(_apt(_text(files, PACKAGES))),
        differences=tuple(differences),
    )


def _recipe(card: SpaceCard, files: Mapping[str, bytes]) -> Recipe:
    if card.sdk is Sdk.DOCKER:
        return recipes.own(card, _text(files, card.app_file))
    return recipes.for_streamlit(
        card, requirements=REQUIREMENTS in files, packages=tuple(_apt(_text(files, PACKAGES)))
    )


def sdk_requirements(version: str | None) -> tuple[str, ...]:
    """Return what the Hub's builder adds to a Gradio Space's requirements, for solving in one go."""
    common = ("uvicorn>=0.14.0", "websockets>=10.4", "spaces")
    if version is None:
        return ("gradio[oauth,mcp]", *common)
    major = int(re.split(r"\D", version, maxsplit=1)[0])
    if major < 5:
        return (f"gradio[oauth]=={version}", *common, "fastapi<0.113.0")
    return (f"gradio[oauth,mcp]=={version}", *common)


def _apt(text: str) -> Iterator[str]:
    for line in text.splitlines():
        for word in line.split():
            # The builder hands these words to apt-get; an option would be one, too.
            if not _PACKAGE.match(word):
                raise CannotBuildError(
                    Stage.CONFIG_ERROR, f"`{word}` in {PACKAGES} is no name of a Debian package"
                )
            yield word


def _text(files: Mapping[str, bytes], name: str) -> str:
    return files.get(name, b"").decode("utf-8", "replace").removeprefix("\ufeff")


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()
