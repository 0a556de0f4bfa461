"""What the headers of safetensors files say: parameters and their types, without reading the weights."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spacehand.localhub.repos.snapshot import Entry

if TYPE_CHECKING:
    from spacehand.localhub.repos.snapshot import Snapshot
    from spacehand.localhub.store.objects import Objects

_MAX_HEADER = 16 * 1024 * 1024  # bytes
_LARGEST_SIZE, _MOST_SIZES = 1 << 48, 32  # of one side of a tensor, and of sides
_REMEMBERED: dict[str, tuple[tuple[str, int], ...]] = {}
_MOST_REMEMBERED = 4096
WEIGHT_ENDINGS = (".safetensors", ".bin", ".onnx", ".gguf", ".pt", ".pth", ".ckpt", ".msgpack", ".h5")


@dataclass(frozen=True, slots=True)
class Weights:
    """All weights of a model together."""

    files: tuple[Entry, ...]
    parameters: int  # 0: no header tells
    types: tuple[tuple[str, int], ...]  # ("BF16", parameters), most first

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files)


def weights(entries: Iterable[Entry], snapshot: Snapshot, objects: Objects) -> Weights:
    """Return what is known of the weights among *entries*."""
    files = tuple(entry for entry in entries if not entry.is_dir and entry.path.endswith(WEIGHT_ENDINGS))
    types: Counter[str] = Counter()
    for entry in files:
        if entry.path.endswith(".safetensors"):
            types.update(dict(_known_types(entry, snapshot, objects)))
    return Weights(files, types.total(), tuple(types.most_common()))


def _known_types(entry: Entry, snapshot: Snapshot, objects: Objects) -> tuple[tuple[str, int], ...]:
    """Return parameters by type, remembered by the file's content: the headers themselves may be large."""
    name = entry.lfs_sha256 or entry.oid
    if name not in _REMEMBERED:
        if len(_REMEMBERED) >= _MOST_REMEMBERED:
            _REMEMBERED.pop(next(iter(_REMEMBERED)), None)
        _REMEMBERED[name] = _types(_beginning(entry, snapshot, objects))
    return _REMEMBERED[name]


def _beginning(entry: Entry, snapshot: Snapshot, objects: Objects) -> bytes:
    if entry.lfs_sha256 is None:
        return snapshot.blob(entry)[: 8 + _MAX_HEADER]
    if entry.size < 8 or not objects.has(entry.lfs_sha256):
        return b""
    length = int.from_bytes(b"".join(objects.stream(entry.lfs_sha256, 0, 8))[:8], "little")
    if length > min(_MAX_HEADER, entry.size - 8):
        return b""
    return b"".join(objects.stream(entry.lfs_sha256, 0, 8 + length))


def _types(beginning: bytes) -> tuple[tuple[str, int], ...]:
    """Return parameters by type; nothing for a file that only has the name of a safetensors file."""
    length = int.from_bytes(beginning[:8], "little")
    types: Counter[str] = Counter()
    try:
        tensors = json.loads(beginning[8 : 8 + length])
        for name, tensor in tensors.items():
            if name != "__metadata__":
                types[str(tensor["dtype"])[:20]] += _parameters(tensor["shape"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()
    return tuple(types.items())


def _parameters(shape: list[object]) -> int:
    # A text or a list in it, times a large number, would take more memory than there is.
    sizes = [size for size in shape if isinstance(size, int) and 0 <= size < _LARGEST_SIZE]
    if len(sizes) != len(shape) or len(sizes) > _MOST_SIZES:
        raise ValueError("a tensor has a shape that none can have")
    return math.prod(sizes)
