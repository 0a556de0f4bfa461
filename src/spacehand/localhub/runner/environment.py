"""The environment an app starts with: what the Hub documents, then what the owner set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from spacehand.ids import RepoId
from spacehand.localhub.runner.engines._protocol import Layout

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
_BYTES = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)i?B?\Z")


@dataclass(frozen=True, slots=True)
class Hardware:
    """What one flavour gives to an app."""

    name: str = "cpu-basic"
    cores: str = "2"
    memory: str = "16Gi"
    accelerator: str = "none"
    gpus: int = 0
    disk: str = "50G"  # ephemeral

    @property
    def memory_bytes(self) -> int:
        """The limit that the app is held to."""
        return _bytes(self.memory)

    @property
    def disk_bytes(self) -> int:
        """What the app may write."""
        return _bytes(self.disk)


def _bytes(amount: str) -> int:
    found = _BYTES.match(amount.replace(" ", ""))
    if not found:
        raise ValueError(f"`{amount}` is no amount of bytes")
    return int(float(found.group(1)) * _UNITS[found.group(2)])


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that an app may learn from its environment."""

    space: RepoId
    title: str
    host: str  # without scheme
    hardware: Hardware
    endpoint: str
    creator: str
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def environment(around: Surroundings, layout: Layout) -> dict[str, str]:
    """Return the variables of an app in *layout*; the owner's win over defaults, but not over facts."""
    return _with_owners(around, _defaults(around, layout))


def container_environment(around: Surroundings, layout: Layout) -> dict[str, str]:
    """Return the variables of a container, whose image brings defaults of its own."""
    return _with_owners(around, _proxies(layout) | {"HF_ENDPOINT": around.endpoint})


def _with_owners(around: Surroundings, defaults: Mapping[str, str]) -> dict[str, str]:
    return {**defaults, **around.variables, **around.secrets, **_facts(around)}


def _proxies(layout: Layout) -> dict[str, str]:
    if not layout.proxy:
        return {}
    return dict.fromkeys(_PROXIES, layout.proxy) | {"no_proxy": "localhost,127.0.0.1,::1"}


def _defaults(around: Surroundings, layout: Layout) -> dict[str, str]:
    return _proxies(layout) | {
        "PATH": f"{layout.programs}:/usr/local/bin:/usr/bin:/bin",
        "HOME": layout.home,
        "USER": "user",
        "LANG": "C.UTF-8",
        "TMPDIR": layout.temporary,
        "PYTHONPATH": layout.app,
        "PYTHONUNBUFFERED": "1",
        "GRADIO_SERVER_NAME": layout.host,
        "GRADIO_SERVER_PORT": str(layout.port),
        "GRADIO_NUM_PORTS": "1",
        "GRADIO_ALLOW_FLAGGING": "never",
        "GRADIO_THEME": "huggingface",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_ENDPOINT": around.endpoint,
        "HOST": layout.host,
        "PORT": str(layout.port),
        "TQDM_POSITION": "-1",
        "TQDM_MININTERVAL": "1",
    }


def _facts(around: Surroundings) -> dict[str, str]:
    return {
        "SYSTEM": "spaces",
        "SPACE_ID": str(around.space),
        "SPACE_HOST": around.host,
        "SPACE_AUTHOR_NAME": around.space.owner,
        "SPACE_REPO_NAME": around.space.name,
        "SPACE_TITLE": around.title,
        "SPACE_CREATOR_USER_ID": around.creator,
        "ACCELERATOR": around.hardware.accelerator,
        "CPU_CORES": around.hardware.cores,
        "MEMORY": around.hardware.memory,
    }
