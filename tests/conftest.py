"""A real local Hub for every test that wants one, driven by the unmodified official client."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests import needs

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# The official client reads these once, at import.
_CACHE = tempfile.mkdtemp(prefix="spacehand-test-home-")
os.environ["HF_HOME"] = _CACHE
os.environ["HF_XET_CACHE"] = f"{_CACHE}/xet"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["SPACEHAND_HOME"] = f"{_CACHE}/spacehand"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
for _name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HUGGINGFACE_CO_STAGING", "HF_HUB_DISABLE_XET"):
    os.environ.pop(_name, None)

# Imports the tool, which may load the client: after what that reads.
from tests.base_image import fill_buildah  # noqa: E402
from tests.dockerd import Dockerd, mounts_under  # noqa: E402

OWNER = "ada"

# The machine may be busy: what a test says must not depend on its time.
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")


@dataclass
class HubProcess:
    """``python -m spacehand.localhub.server`` , which may be killed and started again."""

    data: Path
    port: int = 0
    owner: str = OWNER
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    _process: subprocess.Popen[str] | None = None

    def start(self) -> HubProcess:
        """Start the server and return once it has said where it listens."""
        command = [sys.executable, "-m", "spacehand.localhub.server", "--data", str(self.data)]
        command += ["--port", str(self.port), "--owner", self.owner, *self.arguments]
        log = (self.data.parent / f"{self.data.name}.log").open("a")
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | self.environment
        )
        log.close()
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line.startswith("http://127.0.0.1:"), f"the Hub did not start: {self.log}"
        self.port = int(line.rpartition(":")[2])
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return (self.data / "token").read_text().strip()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text()

    @property
    def api(self) -> HfApi:
        """The unmodified official client, with the owner's token."""
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.url, token=self.token)

    def kill(self) -> None:
        """End the server as ``kill -9`` does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the server as Ctrl-C does."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None


@pytest.fixture(scope="session")
def local_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """One Hub for all tests of a session; tests use repository names of their own (`name`)."""
    hub = HubProcess(tmp_path_factory.mktemp("hub") / "data")
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture(scope="session")
def dockerd() -> Iterator[Dockerd]:
    """A docker daemon for all tests of a session that need one, with base images to build on."""
    needs.docker()
    daemon = Dockerd()
    try:
        yield daemon.start()
    finally:
        daemon.stop()


@pytest.fixture(scope="session")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A storage of buildah with base images; a Hub uses it whose ``images/buildah`` is a link to it."""
    needs.buildah()
    folder = tmp_path_factory.mktemp("buildah")
    fill_buildah(folder)
    yield folder
    for mount in sorted(mounts_under(folder), key=len, reverse=True):
        subprocess.run(["umount", "--lazy", mount], capture_output=True)


@pytest.fixture
def fresh_hub(tmp_path: Path) -> Iterator[HubProcess]:
    """A Hub of the test's own, not started yet."""
    hub = HubProcess(tmp_path / "hub")
    yield hub
    hub.stop()


@pytest.fixture
def official(local_hub: HubProcess) -> HfApi:
    """The unmodified official client of the session's Hub."""
    return local_hub.api


_numbers = itertools.count(1)


@pytest.fixture
def name() -> str:
    """A repository name that no other test uses."""
    return f"thing-{os.getpid()}-{next(_numbers)}"


def pytest_sessionfinish() -> None:
    shutil.rmtree(_CACHE, ignore_errors=True)
