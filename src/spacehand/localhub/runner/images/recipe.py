"""What an image is built from, decided before anything is done."""

from __future__ import annotations

from dataclasses import dataclass

from spacehand.localhub.runner.card import CannotBuildError, SpaceCard
from spacehand.localhub.runner.images import streamlit
from spacehand.localhub.runner.images.dockerfile import Dockerfile, DockerfileError
from spacehand.stage import Stage


@dataclass(frozen=True, slots=True)
class Recipe:
    """A Dockerfile and what was read in it."""

    text: str
    dockerfile: Dockerfile
    port: int
    generated: bool = False  # made here: it is no file of the repository
    warnings: tuple[str, ...] = ()


def own(card: SpaceCard, text: str) -> Recipe:
    """
    Return the recipe of a Space with a Dockerfile.

    Raises:
        CannotBuildError: it is no Dockerfile; worded as the Hub's builder does.
    """
    try:
        found = Dockerfile.parse(text)
    except DockerfileError as error:
        raise CannotBuildError(Stage.BUILD_ERROR, f"failed to solve: {error}") from error
    warnings = []
    if found.exposed and card.app_port not in found.exposed:
        ports = " and ".join(str(port) for port in found.exposed)
        warnings.append(
            f"the Dockerfile exposes {ports}, but the Space expects {card.app_port}: "
            f"listen there, or write `app_port: {found.exposed[0]}` into the README's header"
        )
    return Recipe(text, found, card.app_port, warnings=tuple(warnings))


def for_streamlit(card: SpaceCard, *, requirements: bool, packages: tuple[str, ...]) -> Recipe:
    """Return the recipe of a Space that has no Dockerfile and needs one."""
    text = streamlit.dockerfile(
        card.app_file,
        card.app_port,
        version=card.sdk_version,
        python=card.python_version,
        requirements=requirements,
        packages=packages,
        models=bool(card.preload),
    )
    return Recipe(text, Dockerfile.parse(text), card.app_port, generated=True, warnings=(streamlit.REASON,))
