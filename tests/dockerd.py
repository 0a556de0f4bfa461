"""A docker daemon of the tests' own, beside whatever else this machine runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.base_image import BASES, base_context, base_tar


@dataclass
class Dockerd:
    """One daemon without a network of its own, in a folder of its own; *inside* comes before its command."""

    inside: Sequence[str] = ()
    options: Sequence[str] = ("--iptables=false", "--ip6tables=false", "--bridge=none")
    root: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="spacehand-dockerd-")))
    _process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.root}/docker.sock"

    @property
    def log(self) -> str:
        return (self.root / "log").read_text(errors="replace")

    def start(self, *, bases: bool = True) -> Dockerd:
        """Start the daemon and return once it answers, with the images that tests build on."""
        words = [*self.inside, "dockerd", *self.options, "--host", self.host]
        words += ["--data-root", f"{self.root}/data", "--exec-root", f"{self.root}/exec"]
        words += ["--pidfile", f"{self.root}/pid"]
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 60
        while self.run("version", check=False).returncode:
            assert self._process.poll() is None, self.log[-3000:]
            assert time.monotonic() < deadline, self.log[-3000:]
            time.sleep(0.1)
        if bases:
            self._import_bases()
        return self

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a docker command against this daemon."""
        environment = os.environ | {"DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "0"}
        done = subprocess.run(["docker", *words], capture_output=True, text=True, env=environment)
        assert not check or done.returncode == 0, f"docker {words[0]}: {done.stderr[-2000:]}"
        return done

    def kill(self) -> None:
        """End the daemon and all that it runs as a power failure does."""
        for process in self._family():
            process.kill()
        psutil.wait_procs(self._family(), 10)
        if self._process is not None:
            self._process.wait(30)

    def stop(self) -> None:
        """End the daemon with its containers, and remove every trace."""
        self.kill()
        for mount in sorted(mounts_under(self.root), key=len, reverse=True):
            subprocess.run(["umount", "--lazy", mount], capture_output=True)
        shutil.rmtree(self.root, ignore_errors=True)

    def _family(self) -> list[psutil.Process]:
        """Return the daemon, its containerd, and its containers: shims live in sessions of their own."""
        found = []
        for process in psutil.process_iter(["cmdline", "name"]):
            ours = any(str(self.root) in word for word in process.info["cmdline"] or ())
            if ours and process.info["name"].startswith(("dockerd", "containerd")):
                found += [process, *process.children(recursive=True)]
        return found

    def _import_bases(self) -> None:
        self.run("import", str(base_tar()), "spacehand-base")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "Dockerfile").write_text("FROM spacehand-base\n" + base_context(folder))
            tags = [word for base in BASES for word in ("--tag", base)]
            self.run("build", *tags, name)


def mounts_under(root: Path) -> list[str]:
    """Return the mount points below *root*."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return [line.split()[1] for line in mounts if line.split()[1].startswith(str(root))]
