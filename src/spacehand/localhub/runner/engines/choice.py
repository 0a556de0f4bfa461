"""Which engine runs a Space: the best one that works here, and why not the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from spacehand.localhub.runner.card import CannotBuildError
from spacehand.localhub.runner.engines._protocol import Capabilities, Engine
from spacehand.stage import Stage

WANTED_FOR_IMAGES = (
    "A Space with a Dockerfile needs docker (`apt-get install docker.io`, or "
    "https://docs.docker.com/get-docker), or buildah and bubblewrap "
    "(`apt-get install buildah bubblewrap`, as root)"
)


E = TypeVar("E", bound=Engine)


@dataclass(frozen=True, slots=True)
class Trial(Generic[E]):
    """One engine, tried on this machine."""

    engine: E
    capabilities: Capabilities


@dataclass
class EngineChoice(Generic[E]):
    """Chooses among *engines*, the best first; each is tried once."""

    engines: Sequence[E]
    wanted: str = ""  # what to install when none works
    _chosen: Trial[E] | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def differences(self) -> tuple[str, ...]:
        """How a run in the chosen engine differs from one on huggingface.co; nothing before the choice."""
        return self._chosen.capabilities.differences if self._chosen else ()

    @property
    def gives_gpus(self) -> bool:
        return self._chosen is not None and self._chosen.capabilities.gpus

    @property
    def mounts_volumes(self) -> bool:
        return self._chosen is not None and self._chosen.capabilities.mounts

    async def best(self) -> Trial[E]:
        """
        Return the first engine that works.

        Raises:
            CannotBuildError: none does; the message names what to install.
        """
        async with self._lock:
            if self._chosen is None:
                self._chosen = await self._choose()
            return self._chosen

    async def _choose(self) -> Trial[E]:
        refused: list[str] = []
        for engine in self.engines:
            found = await engine.capabilities()
            if found.works:
                return Trial(engine, replace(found, differences=(*found.differences, *refused)))
            refused.append(f"no {engine.name}: {found.why_not}")
        reasons = "; ".join(refused) or "this Hub has none"
        if self.wanted:
            raise CannotBuildError(Stage.CONFIG_ERROR, f"{self.wanted}. Tried here: {reasons}")
        raise CannotBuildError(Stage.CONFIG_ERROR, f"No engine works on this machine: {reasons}")
