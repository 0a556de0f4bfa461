"""Pillow's images: their pixels, palette and what they say about themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from spacehand_runtime.codec.encoded import decode, keep, uncacheable

_TOLD = (bool, int, float, str, bytes, tuple)


def encode(value: Any, buffers: list[Any], inner: Callable[[Any, list[Any]], Any]) -> Any:
    """Take an image apart; a moving one is refused, as only the picture that it shows now would be kept."""
    image = import_module("PIL.Image")
    if not isinstance(value, image.Image):
        raise uncacheable(type(value))
    if getattr(value, "is_animated", False):
        raise uncacheable(type(value), "moves")
    palette = value.getpalette(value.palette.mode) if value.mode in ("P", "PA") else None
    told = {name: note for name, note in value.info.items() if type(name) is str and type(note) in _TOLD}
    return {
        "$": "PIL.image",
        "mode": value.mode,
        "size": list(value.size),
        "palette": None if palette is None else [value.palette.mode, palette],
        "info": inner(told, buffers),
        "at": keep(buffers, value.tobytes()),
    }


def _image(tree: Any, buffers: Sequence[memoryview]) -> Any:
    # A copy of the pixels: an image is there to be drawn on.
    image = import_module("PIL.Image").frombytes(
        tree["mode"], tuple(tree["size"]), bytes(buffers[tree["at"]])
    )
    if tree["palette"] is not None:
        mode, palette = tree["palette"]
        image.putpalette(palette, mode)
    image.info.update(decode(tree["info"], buffers))
    return image


DECODERS = {"PIL.image": _image}
