"""Whether the hardware a Space has, or will have, holds the model that it is to load."""

from __future__ import annotations

from spacehand.errors import ConfigError
from spacehand.hub._protocol import Flavor, Hub
from spacehand.ids import RepoKind
from spacehand.model.artifact import Model, ModelKind
from spacehand.space.fit import Numbers, Room, check
from spacehand.space.spec import SpaceSpec

# Loaded as a whole, by transformers. An adapter's base is not here to be measured; the app measures it.
_MEASURED = frozenset({ModelKind.FULL, ModelKind.SHARDED})


def check_room(model: Model, spec: SpaceSpec, hub: Hub) -> str | None:
    """
    Return which of the hardware that *spec* names holds *model*: the first in order of preference.

    None where it names none, and what the Space has holds the model. A model that is quantized already, or
    whose files tell nothing, is left to the app; so are accelerators.

    Raises:
        ConfigError: nothing holds it; the hint says what would.
    """
    flavors = {flavor.name: flavor for flavor in hub.flavors()}
    named = [flavors[name] for name in spec.hardware if name in flavors]
    there = [flavors[name] for name in [_present(spec, hub)] if name in flavors]
    others = [_room(flavor) for flavor in flavors.values() if not flavor.accelerator]
    numbers, refused = _numbers(model), None
    for flavor in named or there:
        try:
            if numbers and not flavor.accelerator:
                check(numbers, spec.variables, _room(flavor), others, where=str(model.folder))
        except ConfigError as error:
            refused = refused or error
        else:
            return flavor.name if named else None
    if refused:
        raise refused
    return None


def _numbers(model: Model) -> list[Numbers]:
    """Return what is loaded as it is stored; nothing where that is not known before."""
    if model.kind not in _MEASURED or "quantization_config" in model.config:
        return []
    return [
        Numbers(tensor.name, tensor.dtype, tensor.shape)
        for header in model.headers.values()
        for tensor in header.tensors
    ]


def _present(spec: SpaceSpec, hub: Hub) -> str:
    if spec.repo is None or hub.head(RepoKind.SPACE, spec.repo) is None:
        return "cpu-basic"
    runtime = hub.runtime(spec.repo)
    return runtime.requested_hardware or runtime.hardware or "cpu-basic"


def _room(flavor: Flavor) -> Room:
    return Room(flavor.name, flavor.memory, flavor.usd_per_hour)
