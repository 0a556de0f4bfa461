"""The engines that a Hub has, and what each would do here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from spacehand.localhub.egress import Egress
from spacehand.localhub.runner.card import Sdk
from spacehand.localhub.runner.engines._protocol import Engine, Fidelity, ImageEngine
from spacehand.localhub.runner.engines.buildah import BuildahEngine
from spacehand.localhub.runner.engines.choice import WANTED_FOR_IMAGES, Trial
from spacehand.localhub.runner.engines.docker import DockerEngine
from spacehand.localhub.runner.engines.process import ProcessEngine
from spacehand.localhub.runner.engines.sandbox import SandboxEngine
from spacehand.localhub.runner.engines.swarm import SwarmEngine
from spacehand.localhub.store.place import Place


@dataclass(frozen=True, slots=True)
class Roster:
    """Engines, the best first: for Spaces that are files, and for those that are images."""

    sandbox: SandboxEngine
    files: tuple[Engine, ...]
    images: tuple[ImageEngine, ...]
    on_request: tuple[ImageEngine, ...] = ()  # never taken unasked

    @classmethod
    def of(cls, place: Place, egress: Egress = Egress.HUB_ONLY, only: str | None = None) -> Roster:
        """Return the engines of the Hub in *place*, untried; for images that one *only*, if named."""
        sandbox = SandboxEngine(egress=egress)
        docker = DockerEngine(place.mark, place.images / "builds", egress=egress)
        files = (sandbox, ProcessEngine())
        usual = (docker, BuildahEngine(place.mark, place.images, sandbox))
        swarm = SwarmEngine(place.mark, docker)
        if only is not None:
            return cls(sandbox, files, tuple(one for one in (*usual, swarm) if one.name == only))
        return cls(sandbox, files, usual, (swarm,))


@dataclass(frozen=True, slots=True)
class Prospect:
    """What would run a kind of Space on this machine."""

    sdks: tuple[Sdk, ...]
    fidelity: Fidelity | None  # None: nothing would
    engine: str | None  # None: no engine, because the Hub serves it itself, or because none works
    trials: tuple[Trial[Engine], ...] = ()
    on_request: tuple[Trial[Engine], ...] = ()
    wanted: str = ""  # what to install
    differences: tuple[str, ...] = field(default=())


async def prospects(roster: Roster) -> list[Prospect]:
    """Try every engine, and return what each kind of Space would run in."""
    return [
        await _prospect((Sdk.GRADIO,), roster.files),
        Prospect((Sdk.STATIC,), Fidelity.STATIC, None),
        replace(
            await _prospect((Sdk.DOCKER, Sdk.STREAMLIT), roster.images, WANTED_FOR_IMAGES),
            on_request=await _trials(roster.on_request),
        ),
    ]


async def _prospect(sdks: tuple[Sdk, ...], engines: tuple[Engine, ...], wanted: str = "") -> Prospect:
    trials = await _trials(engines)
    best = next((one for one in trials if one.capabilities.works), None)
    if best is None:
        return Prospect(sdks, None, None, trials, wanted=wanted)
    return Prospect(
        sdks, best.engine.fidelity, best.engine.name, trials, differences=best.capabilities.differences
    )


async def _trials(engines: tuple[Engine, ...]) -> tuple[Trial[Engine], ...]:
    return tuple([Trial(engine, await engine.capabilities()) for engine in engines])
