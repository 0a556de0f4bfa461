"""Keys of NumPy's arrays, scalars and types: every value, whatever its layout in memory."""

from __future__ import annotations

import sys
from typing import Any

from spacehand_runtime.key.keying import Keying, Writer, refuse

_BLOCK = 1 << 22  # bytes copied at a time out of an array that is not contiguous


def writers() -> dict[type, Writer]:
    """Return the writers of NumPy's arrays and functions."""
    numpy = _numpy()
    return {
        numpy.ndarray: write_array,
        numpy.memmap: write_array,  # a mapped file is an array like any other
        numpy.matrix: _subclass,
        numpy.recarray: _subclass,
        numpy.ma.MaskedArray: _masked,
        numpy.ufunc: lambda keying, value: keying.value(("ufunc", value.__name__, numpy.__version__)),
    }


def writer(kind: type) -> Writer | None:
    """Return the writer of a scalar or data type, of which there are many."""
    numpy = _numpy()
    if issubclass(kind, numpy.dtype):
        return _dtype
    return _scalar if issubclass(kind, numpy.generic) and kind is not numpy.void else None


def write_array(keying: Keying, value: Any) -> None:
    """Write type, shape, and the values in the order of their indexes."""
    keying.tag("ndarray")
    _dtype(keying, value.dtype)
    keying.value(value.shape)
    _values(keying, value)


def _values(keying: Keying, value: Any) -> None:
    numpy = _numpy()
    kind = value.dtype.kind
    if value.dtype.fields:  # field by field: the bytes between them may be anything
        for name in value.dtype.names:
            keying.value(numpy.asarray(value[name]))
    elif kind in "OT":
        keying.values(value.astype(object).ravel(order="C").tolist())
    elif value.dtype.char in "gG":
        _long_double(keying, value)
    elif value.flags.c_contiguous:
        keying.stream([_as_bytes(value)])
    else:
        keying.stream(_blocks(value))


def _as_bytes(value: Any) -> Any:
    # The detour over bytes: dates, times and texts have no buffer that others can read.
    return value.reshape(-1).view(_numpy().uint8) if value.nbytes else b""


def _blocks(value: Any) -> Any:
    """Yield contiguous pieces of *value* in the order of its indexes, a few megabytes each."""
    numpy = _numpy()
    if value.ndim == 0 or value.nbytes <= _BLOCK or (value.ndim > 1 and value.shape[0] == 1):
        yield _as_bytes(numpy.ascontiguousarray(value))
        return
    rows = max(1, _BLOCK * value.shape[0] // value.nbytes)
    for start in range(0, value.shape[0], rows):
        yield _as_bytes(numpy.ascontiguousarray(value[start : start + rows]))


def _long_double(keying: Keying, value: Any) -> None:
    """Write 80-bit numbers without the padding after each, which may be anything."""
    numpy = _numpy()
    flat = numpy.ascontiguousarray(value).reshape(-1)
    if numpy.finfo(numpy.longdouble).nmant == 63:
        each = numpy.longdouble().itemsize
        flat = numpy.ascontiguousarray(flat.view(numpy.uint8).reshape(-1, each)[:, :10])
    keying.raw(_as_bytes(flat))


def _dtype(keying: Keying, dtype: Any) -> None:
    keying.tag("dtype")
    if dtype.fields:
        keying.value(dtype.names)
        for name in dtype.names:
            _dtype(keying, dtype.fields[name][0])
    elif dtype.subdtype:
        keying.value(dtype.subdtype[1])
        _dtype(keying, dtype.subdtype[0])
    else:
        keying.text((dtype.str if dtype.kind != "T" else repr(dtype)).encode())


def _scalar(keying: Keying, value: Any) -> None:
    keying.tag("numpy scalar")
    write_array(keying, _numpy().asarray(value))


def _subclass(keying: Keying, value: Any) -> None:
    numpy = _numpy()
    keying.tag(type(value).__name__)
    write_array(keying, numpy.asarray(value))


def _masked(keying: Keying, value: Any) -> None:
    if value.dtype.fields:
        raise refuse(type(value), "with fields")
    numpy = _numpy()
    mask = numpy.ma.getmaskarray(value)
    keying.tag("masked array")
    write_array(keying, mask)
    write_array(
        keying, numpy.where(mask, numpy.zeros((), value.dtype), value.data)
    )  # junk lies under the mask
    keying.value(value.fill_value)


def _numpy() -> Any:
    return sys.modules["numpy"]
