"""Whether the hardware a Space has, or will have, holds the model that it is to load."""

from __future__ import annotations

from spacehand.hub._protocol import Flavor, Hub
from spacehand.ids import RepoKind
from spacehand.model.artifact import Model, ModelKind
from spacehand.space.fit import Numbers, Room, check
from spacehand.space.spec import SpaceSpec

# Loaded as a whole, by transformers. An adapter's base is not here to be measured; the app measures it.
_MEASURED = frozenset({ModelKind.FULL, ModelKind.SHARDED})


def check_room(model: Model, spec: SpaceSpec, hub: Hub) -> None:
    """
    Check that *model* fits into the memory of the hardware on which *spec* runs.

    A model that is quantized already, or whose files tell nothing, is left to the app; so are accelerators.

    Raises:
        ConfigError: it does not fit; the hint says what would.
    """
    if model.kind not in _MEASURED or "quantization_config" in model.config:
        return
    numbers = [
        Numbers(tensor.name, tensor.dtype, tensor.shape)
        for header in model.headers.values()
        for tensor in header.tensors
    ]
    flavors = {flavor.name: flavor for flavor in hub.flavors()}
    flavor = flavors.get(_hardware(spec, hub, flavors))
    if not numbers or flavor is None or flavor.accelerator:
        return
    others = [_room(other) for other in flavors.values() if not other.accelerator]
    check(numbers, spec.variables, _room(flavor), others, where=str(model.folder))


def _hardware(spec: SpaceSpec, hub: Hub, flavors: dict[str, Flavor]) -> str:
    wanted = next((name for name in spec.hardware if name in flavors), None)
    if wanted:
        return wanted
    if spec.repo is None or hub.head(RepoKind.SPACE, spec.repo) is None:
        return "cpu-basic"
    runtime = hub.runtime(spec.repo)
    return runtime.requested_hardware or runtime.hardware or "cpu-basic"


def _room(flavor: Flavor) -> Room:
    return Room(flavor.name, flavor.memory, flavor.usd_per_hour)
