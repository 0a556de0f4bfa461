"""``spacehand hub engines``: what each kind of Space runs in on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacehand.cli.command import command
from spacehand.cli.local import data_option
from spacehand.cli.terminal import Terminal
from spacehand.home import home

if TYPE_CHECKING:
    from spacehand.localhub.runner.engines.roster import Prospect

__all__ = ["engines_command"]


@command("hub engines")
@data_option
def engines_command(terminal: Terminal, *, data: Path | None) -> None:
    """
    Try what can run Spaces here, and show which is taken for each kind and why not the others.

    No Hub needs to run. docker and buildah are given an empty image to build.
    """
    import asyncio

    from spacehand.localhub.runner.engines.roster import Roster, prospects
    from spacehand.localhub.store.place import Place

    place = Place(data or home())
    place.create()
    found = asyncio.run(prospects(Roster.of(place)))
    for prospect in found:
        if prospect.fidelity is None:
            terminal.say(prospect.wanted)
    width = max(len(_sdks(prospect)) for prospect in found)
    lines = [line for prospect in found for line in _lines(prospect, width)]
    terminal.finish({"spaces": [_as_json(prospect) for prospect in found]}, "\n".join(lines))


def _lines(prospect: Prospect, width: int) -> list[str]:
    taken = prospect.engine or ("the Hub itself" if prospect.fidelity else "nothing here")
    lines = [f"{_sdks(prospect):{width}}  {taken}"]
    for trial in prospect.trials:
        if trial.engine.name != prospect.engine:
            why_not = trial.capabilities.why_not
            lines.append(f"{'':{width}}  {trial.engine.name}: {why_not or 'works too'}")
    for trial in prospect.on_request:
        name, why_not = trial.engine.name, trial.capabilities.why_not
        asked = f"works if asked for, with `spacehand hub serve --engine {name}`"
        lines.append(f"{'':{width}}  {name}: {why_not or asked}")
    return lines


def _sdks(prospect: Prospect) -> str:
    return ", ".join(sdk.value for sdk in prospect.sdks)


def _as_json(prospect: Prospect) -> dict[str, Any]:
    return {
        "sdks": [sdk.value for sdk in prospect.sdks],
        "engine": prospect.engine,
        "fidelity": prospect.fidelity.value if prospect.fidelity else None,
        "differences": list(prospect.differences),
        "engines": [
            {
                "engine": trial.engine.name,
                "works": trial.capabilities.works,
                "why_not": trial.capabilities.why_not or None,
                "gpus": trial.capabilities.gpus,
                "volumes": trial.capabilities.works and trial.capabilities.mounts,
            }
            for trial in (*prospect.trials, *prospect.on_request)
        ],
    }
