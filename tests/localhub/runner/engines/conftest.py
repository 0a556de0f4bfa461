"""The two engines that run images, and images for them without a Hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacehand.localhub.egress import Egress
from spacehand.localhub.runner.engines._protocol import ImageEngine
from spacehand.localhub.runner.engines.buildah import BuildahEngine
from spacehand.localhub.runner.engines.docker import DockerEngine
from spacehand.localhub.runner.engines.sandbox import SandboxEngine
from spacehand.localhub.runner.images.builder import BuildOrder
from spacehand.localhub.runner.images.transcript import Transcript

MARK = "orphans"
DOCKERFILE = 'FROM python:3.11\nCOPY app.py .\nCMD ["python", "app.py"]\n'


@pytest.fixture(
    params=[
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("buildah", marks=pytest.mark.buildah),
    ]
)
def kind(request: pytest.FixtureRequest) -> tuple[str, str]:
    """An engine's name, and where its images are."""
    if request.param == "docker":
        return "docker", request.getfixturevalue("dockerd").host
    return "buildah", str(request.getfixturevalue("buildah"))


def engine_for(name: str, where: str, root: Path, egress: Egress = Egress.HUB_ONLY) -> ImageEngine:
    if name == "docker":
        return DockerEngine(MARK, root / "builds", host=where, egress=egress)
    folder = root / "images"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "buildah").is_symlink():
        (folder / "buildah").symlink_to(where)
    return BuildahEngine(MARK, folder, SandboxEngine(egress=egress))


async def build(engine: ImageEngine, tag: str, source: str, room: Path) -> None:
    """Make the image *tag* with the app *source*, unless it is there."""
    found = await engine.capabilities()
    assert found.works, found.why_not
    if not await engine.builder.tool.has(tag):
        _write(room, source)
        said: list[str] = []
        order = BuildOrder(room, room / "Dockerfile", tag, {}, {}, {})
        assert await engine.builder.tool.build(order, Transcript(said.append)) == 0, said


def _write(room: Path, source: str) -> None:
    room.mkdir(parents=True)
    (room / "app.py").write_text(source)
    (room / "Dockerfile").write_text(DOCKERFILE)
