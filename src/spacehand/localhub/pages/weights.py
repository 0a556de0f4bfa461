"""What the headers of safetensors files say: parameters and their types, without reading the weights."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from spacehand.localhub.repos.snapshot import Entry

if TYPE_CHECKING:
    from spacehand.localhub.repos.snapshot import Snapshot
    from spacehand.localhub.store.objects import Objects

_MAX_HEADER = 16 * 1024 * 1024  # bytes
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
            types.update(dict(_types(_beginning(entry, snapshot, objects))))
    return Weights(files, types.total(), tuple(types.most_common()))


def _beginning(entry: Entry, snapshot: Snapshot, objects: Objects) -> bytes:
    if entry.lfs_sha256 is None:
        return snapshot.blob(entry)[: 8 + _MAX_HEADER]
    if entry.size < 8 or not objects.has(entry.lfs_sha256):
        return b""
    length = int.from_bytes(b"".join(objects.stream(entry.lfs_sha256, 0, 8))[:8], "little")
    if length > min(_MAX_HEADER, entry.size - 8):
        return b""
    return b"".join(objects.stream(entry.lfs_sha256, 0, 8 + length))


@lru_cache(maxsize=256)
def _types(beginning: bytes) -> tuple[tuple[str, int], ...]:
    """Return parameters by type; nothing for a file that only has the name of a safetensors file."""
    length = int.from_bytes(beginning[:8], "little")
    types: Counter[str] = Counter()
    try:
        tensors = json.loads(beginning[8 : 8 + length])
        for name, tensor in tensors.items():
            if name != "__metadata__":
                types[str(tensor["dtype"])] += math.prod(tensor["shape"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()
    return tuple(types.items())
