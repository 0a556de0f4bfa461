"""NumPy's arrays and scalars: their bytes, type and shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from spacehand_runtime.codec.encoded import CorruptError, keep, uncacheable


def encode(value: Any, buffers: list[Any], _inner: Callable[[Any, list[Any]], Any]) -> Any:
    """Take an array or a scalar apart."""
    numpy = import_module("numpy")
    if isinstance(value, numpy.generic):
        return {"$": "numpy.scalar", "array": encode(numpy.asarray(value), buffers, _inner)}
    if type(value) not in (numpy.ndarray, numpy.memmap):
        raise uncacheable(type(value), "is a special kind of array")
    if value.dtype.hasobject or value.dtype.fields or value.dtype.kind == "T":
        raise uncacheable(type(value), f"holds `{value.dtype}`")
    # Columns first or rows first, as it was: libraries choose their algorithms by it.
    turned = value.ndim > 1 and value.flags.f_contiguous and not value.flags.c_contiguous
    flat = numpy.ascontiguousarray(value.T if turned else value).reshape(-1)
    at = keep(buffers, memoryview(flat.view(numpy.uint8)) if flat.nbytes else b"")
    return {
        "$": "numpy.array",
        "type": value.dtype.str,
        "shape": list(value.shape),
        "turned": turned,
        "at": at,
    }


def _array(tree: Any, buffers: Sequence[memoryview]) -> Any:
    numpy = import_module("numpy")
    dtype = numpy.dtype(tree["type"])
    if dtype.hasobject:
        raise CorruptError("An array of objects was never written")
    shape = tuple(tree["shape"])
    flat = (
        numpy.frombuffer(buffers[tree["at"]], numpy.uint8).view(dtype)
        if 0 not in shape
        else numpy.empty(0, dtype)
    )
    array = flat.reshape(shape[::-1]).T if tree["turned"] else flat.reshape(shape)
    array.flags.writeable = False
    return array


DECODERS = {
    "numpy.array": _array,
    "numpy.scalar": lambda tree, buffers: _array(tree["array"], buffers)[()],
}
