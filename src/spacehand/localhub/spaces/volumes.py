"""What a Space sees of other repositories, and of buckets, as its owner says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spacehand.localhub.errors import HubError

BUCKET = "bucket"
_TYPES = (BUCKET, "model", "dataset", "space")


def parse_volumes(volumes: object) -> list[dict[str, Any]]:
    """
    Return *volumes* in the wire's own spelling, checked.

    Raises:
        HubError: 400, one of them makes no sense, or two share a mount path.
    """
    if not isinstance(volumes, Sequence) or isinstance(volumes, str):
        raise HubError(400, "`volumes` is a list")
    parsed = [_volume(volume) for volume in volumes]
    paths = [volume["mountPath"] for volume in parsed]
    if len(set(paths)) < len(paths):
        raise HubError(400, "Two volumes have the same `mountPath`")
    return parsed


def _volume(volume: object) -> dict[str, Any]:
    if not isinstance(volume, Mapping):
        raise HubError(400, "A volume is an object with `type`, `source` and `mountPath`")
    kind, source, path = (volume.get(key) for key in ("type", "source", "mountPath"))
    if kind not in _TYPES:
        raise HubError(400, f"`{kind}` is no type of volume; there are {', '.join(_TYPES)}")
    if not isinstance(source, str) or "/" not in source:
        raise HubError(400, f"`{source}` is no source of a volume; write it as `owner/name`")
    if not isinstance(path, str) or not path.startswith("/") or path == "/" or ".." in path.split("/"):
        raise HubError(400, f"`{path}` is no mount path; it starts with `/` and names a folder")
    optional = {key: volume[key] for key in ("revision", "path") if volume.get(key)}
    read_only = True if kind != BUCKET else bool(volume.get("readOnly", False))
    return {"type": kind, "source": source, "mountPath": path, "readOnly": read_only, **optional}
