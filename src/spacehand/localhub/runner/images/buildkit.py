"""Builds images with BuildKit, through the docker command."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiodocker
from aiodocker.exceptions import DockerError

from spacehand.localhub.runner import command
from spacehand.localhub.runner.images.builder import BuildOrder
from spacehand.localhub.runner.images.transcript import Transcript

# What the docker command may take from the Hub's own environment: where registries' logins are kept, proxies.
_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "DOCKER_CONFIG",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
_PROBE = "FROM scratch\nLABEL spacehand.probe=1\n"
_PROBE_TAG = "spacehand-probe:latest"


@dataclass
class DockerTool:
    """A docker command that has BuildKit, and the daemon it talks to."""

    host: str  # unix:///var/run/docker.sock
    program: str = "docker"
    host_network: bool = False  # steps of a build use this machine's network: the daemon has none of its own
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    async def has(self, tag: str) -> bool:
        async with aiodocker.Docker(self.host) as docker:
            try:
                await docker.images.inspect(tag)
            except DockerError as error:
                if error.status != 404:
                    raise
                return False
            return True

    async def build(self, order: BuildOrder, transcript: Transcript) -> int:
        words = [self.program, "build", "--progress", "plain", "--file", str(order.dockerfile)]
        words += ["--tag", order.tag]
        words += ["--network", "host"] if self.host_network else []
        options, hidden = order.options()
        words += options
        environment = self._environment() | hidden
        return await command.run(
            [*words, str(order.context)], environment=environment, folder=order.context, output=transcript
        )

    async def prune(self, labels: Mapping[str, str], keep: int) -> None:
        wanted = [f"{name}={value}" for name, value in labels.items()]
        async with aiodocker.Docker(self.host) as docker:
            found = await docker.images.list(filters={"label": wanted})
            for image in sorted(found, key=lambda one: one["Created"], reverse=True)[keep:]:
                for name in image.get("RepoTags") or [image["Id"]]:
                    try:
                        await docker.images.delete(name)
                    except DockerError as error:
                        if error.status not in (404, 409):  # gone already, or in use
                            raise

    async def probe(self) -> str:
        """Return why this command does not build; nothing if it has built an image of nothing."""
        with tempfile.TemporaryDirectory(prefix="spacehand-probe-") as folder:
            said: list[str] = []
            dockerfile = Path(folder, "Dockerfile")
            await asyncio.to_thread(dockerfile.write_text, _PROBE)
            words = [self.program, "build", "--tag", _PROBE_TAG, "--file", str(dockerfile), folder]
            async with asyncio.timeout(60):
                code = await command.run(
                    words, environment=self._environment(), folder=Path(folder), output=said.append
                )
            return "" if code == 0 else f"`{self.program}` has no BuildKit: {_first_line(said)}"

    def _environment(self) -> dict[str, str]:
        kept = {name: self.environment[name] for name in _KEPT if name in self.environment}
        return kept | {"DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "1"}


def programs(path: str | None = None) -> list[str]:
    """Return every docker command on *path*, the first first: the first may lack BuildKit."""
    folders = (path if path is not None else os.environ.get("PATH", os.defpath)).split(os.pathsep)
    found = (shutil.which("docker", path=folder) for folder in folders if folder)
    return list({os.path.realpath(one): one for one in found if one}.values())


def _first_line(said: Iterable[str]) -> str:
    lines = [line.strip() for line in "\n".join(said).splitlines() if line.strip()]
    return lines[0].removeprefix("ERROR: ") if lines else "it said nothing"
