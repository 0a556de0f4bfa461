"""Builds images with buildah, shut in: its steps are no containers of their own."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacehand.localhub.runner import command
from spacehand.localhub.runner.images.builder import BuildOrder
from spacehand.localhub.runner.images.transcript import Transcript

_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
# A step is root in a folder; with these it could leave the folder, or make itself this machine's disk.
_DROPPED = ("SYS_CHROOT", "MKNOD")
# Where `FROM python` comes from, as docker has it; and no lock of networks in /etc.
_REGISTRIES = 'unqualified-search-registries = ["docker.io"]\n'
_SETTINGS = '[network]\nnetwork_config_dir = "/run/networks"\n'
_PROBE = "FROM scratch\nLABEL spacehand.probe=1\n"
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64")


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says of how it is run."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str


@dataclass
class BuildahTool:
    """Buildah with a storage of the Hub's own in *folder*."""

    folder: Path

    async def has(self, tag: str) -> bool:
        code, _ = await self._ask("inspect", "--type", "image", _local(tag))
        return code == 0

    async def build(self, order: BuildOrder, transcript: Transcript) -> int:
        words = ["bud", "--isolation", "chroot", "--network", "host", "--layers", "--format", "docker"]
        words += ["--file", str(order.dockerfile), "--tag", _local(order.tag)]
        for name in _DROPPED:
            words += ["--cap-drop", name]
        options, hidden = order.options()
        words += options
        environment = self._environment() | hidden
        room = order.dockerfile.parent
        return await command.run(
            [*self._shell(room), *self._buildah(), *words, str(order.context)],
            environment=environment,
            folder=room,
            output=transcript,
        )

    async def prune(self, labels: Mapping[str, str], keep: int) -> None:
        filters = [word for name, value in labels.items() for word in ("--filter", f"label={name}={value}")]
        code, told = await self._ask("images", "--json", *filters)
        if code:
            return
        found = sorted(json.loads(told) or [], key=lambda one: one["created"], reverse=True)
        for image in [one for one in found if one["names"]][keep:]:
            await self._ask("rmi", *image["names"])  # refused for one in use

    async def mount(self, container: str, tag: str) -> tuple[Path, ImageConfig]:
        """
        Make a container of image *tag*, and return its root file system and how the image is run.

        Raises:
            OSError: buildah refuses.
        """
        code, told = await self._ask("inspect", "--type", "image", _local(tag))
        if code:
            raise OSError(f"buildah: {told.strip()}")
        image = json.loads(told)["OCIv1"].get("config") or {}
        for words in (["from", "--pull-never", "--name", container, _local(tag)], ["mount", container]):
            code, told = await self._ask(*words)
            if code:
                raise OSError(f"buildah: {told.strip()}")
        return Path(told.strip().splitlines()[-1]), _configuration(image)

    async def remove(self, container: str) -> None:
        """Unmount and remove a container."""
        await self._ask("umount", container)
        await self._ask("rm", container)

    async def containers(self) -> list[str]:
        """Return the names of all containers."""
        code, told = await self._ask("containers", "--json")
        return [] if code else [str(one["containername"]) for one in json.loads(told) or []]

    async def probe(self) -> str:
        """Return why buildah does not build here; nothing if it has built an image of nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="probe-", dir=self.folder) as name:
            folder = Path(name)
            dockerfile = folder / "Dockerfile"
            dockerfile.write_text(_PROBE)
            said: list[str] = []
            order = BuildOrder(folder, dockerfile, "spacehand-probe", {}, {}, {})
            if await self.build(order, Transcript(said.append)):
                return f"buildah does not build here ({' '.join(said)[-200:]})"
            return ""

    def _shell(self, room: Path) -> list[str]:
        """Return a command line's beginning: what follows sees the system, the storage and *room*."""
        words = ["bwrap", "--die-with-parent", "--new-session", "--cap-add", "ALL"]
        words += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--ro-bind", "/usr", "/usr"]
        for name in _SYSTEM:
            path = Path("/", name)
            if path.is_symlink():
                words += ["--symlink", str(path.readlink()), str(path)]
            elif path.is_dir():
                words += ["--ro-bind", str(path), str(path)]
        words += ["--proc", "/proc", "--dev", "/dev", "--ro-bind", "/sys", "/sys", "--tmpfs", "/run"]
        words += ["--tmpfs", "/tmp", "--dir", "/var", "--perms", "1777", "--tmpfs", "/var/tmp"]  # noqa: S108
        words += ["--dir", "/etc"]
        for name in ("ssl", "containers", "resolv.conf", "hosts", "passwd", "group", "subuid", "subgid"):
            words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        for path in (self.folder, room):
            words += ["--bind", str(path), str(path)]
        return [*words, "--setenv", "TMPDIR", "/var/tmp", "--"]  # noqa: S108

    def _buildah(self) -> list[str]:
        places = ["--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run")]
        return [shutil.which("buildah") or "buildah", *places, "--storage-driver", "overlay"]

    def _environment(self) -> dict[str, str]:
        self.folder.mkdir(parents=True, exist_ok=True)
        registries, settings = self.folder / "registries.conf", self.folder / "containers.conf"
        registries.write_text(_REGISTRIES)
        settings.write_text(_SETTINGS)
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return kept | {"CONTAINERS_REGISTRIES_CONF": str(registries), "CONTAINERS_CONF": str(settings)}

    async def _ask(self, *words: str) -> tuple[int, str]:
        said: list[str] = []
        code = await command.run(
            [*self._buildah(), *words],
            environment=self._environment(),
            folder=Path("/"),
            output=said.append,
        )
        return code, "\n".join(said)


def _local(tag: str) -> str:
    return f"localhost/{tag}"


def _configuration(image: Mapping[str, Any]) -> ImageConfig:
    words: Sequence[str] = [*(image.get("Entrypoint") or ()), *(image.get("Cmd") or ())]
    environment = dict(line.partition("=")[::2] for line in image.get("Env") or ())
    return ImageConfig(tuple(words), environment, image.get("WorkingDir") or "/")
