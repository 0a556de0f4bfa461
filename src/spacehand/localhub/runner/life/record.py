"""What finds a started app again when its Hub has died; it holds no secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from spacehand.localhub.runner.build.interpreter import Interpreter
from spacehand.localhub.runner.engines._protocol import Folders, HubAccess, Layout, RunSpec
from spacehand.localhub.runner.images.builder import Image


@dataclass(frozen=True, slots=True)
class ReplicaRecord:
    """One start of one app, as it is kept."""

    sha: str
    engine: str  # its fidelity
    settings: str  # a mark of the Space's settings; another one now means that the app has old ones
    app: Mapping[str, Any]  # the engine's own
    spec: RunSpec  # without its environment
    headers: Mapping[str, str]

    def to_json(self) -> str:
        """Return the record as text."""
        told = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "spec"}
        spec = {one.name: getattr(self.spec, one.name) for one in fields(self.spec)}
        del spec["environment"]  # it holds the secrets
        del spec["mounts"]  # they are where they are
        for name in ("layout", "interpreter", "hub", "image"):
            spec[name] = asdict(spec[name]) if spec[name] is not None else None
        spec["folders"] = self.spec.folders.root
        return json.dumps({**told, "spec": spec}, default=_plain)

    @classmethod
    def from_json(cls, text: str) -> ReplicaRecord:
        """
        Return the record that *text* holds.

        Raises:
            ValueError: it is of another release.
        """
        try:
            told = json.loads(text)
            return cls(**{**told, "spec": _spec(told["spec"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"No record of this release: {error}") from error


def _spec(told: dict[str, Any]) -> RunSpec:
    python, hub = told["interpreter"], told["hub"]
    for name in ("socket", "control"):
        told[name] = Path(told[name])
    return RunSpec(
        **{
            **told,
            "command": tuple(told["command"]),
            "folders": Folders(Path(told["folders"])),
            "layout": Layout(**told["layout"]),
            "interpreter": Interpreter(Path(python["path"]), python["version"], Path(python["prefix"])),
            "venv": Path(told["venv"]) if told["venv"] else None,
            "image": Image(**told["image"]) if told["image"] else None,
            "hub": HubAccess(hub["endpoint"], hub["port"], Path(hub["socket"])) if hub else None,
        }
    )


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
