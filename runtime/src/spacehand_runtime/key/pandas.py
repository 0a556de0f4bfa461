"""Keys of pandas' frames, series and indexes: values, types, names and index, however they are stored."""

from __future__ import annotations

import sys
from array import array
from importlib import import_module
from typing import Any

from spacehand_runtime.key.keying import Keying, Writer, refuse
from spacehand_runtime.key.numpy import write_array


def writers() -> dict[type, Writer]:
    """Return the writers of pandas' tables and single values."""
    pandas = _pandas()
    return {
        pandas.DataFrame: _frame,
        pandas.Series: _series,
        pandas.Timestamp: _timestamp,
        pandas.Timedelta: lambda keying, value: keying.value(("Timedelta", value.unit, value.to_numpy())),
        pandas.Period: lambda keying, value: keying.value(("Period", value.ordinal, value.freqstr)),
        pandas.Interval: lambda keying, value: keying.value(
            ("Interval", value.left, value.right, value.closed)
        ),
        type(pandas.NaT): lambda keying, _value: keying.tag("NaT"),
        type(pandas.NA): lambda keying, _value: keying.tag("NA"),
        pandas.CategoricalDtype: _category_type,
    }


def writer(kind: type) -> Writer | None:
    """Return the writer of an index, a column's array or a type, of which there are many."""
    pandas = _pandas()
    if issubclass(kind, pandas.Index):
        return _index
    if issubclass(kind, pandas.api.extensions.ExtensionArray):
        return _column
    if issubclass(kind, pandas.api.extensions.ExtensionDtype):
        return lambda keying, value: keying.value(("pandas type", repr(value)))
    return None


def _frame(keying: Keying, value: Any) -> None:
    keying.tag("DataFrame")
    keying.value(value.shape)
    _index(keying, value.columns)
    _index(keying, value.index)
    for _, series in value.items():  # noqa: PERF102 - a frame is no dict
        _column(keying, series.array)
    keying.value(dict(value.attrs))


def _series(keying: Keying, value: Any) -> None:
    keying.tag("Series")
    keying.number(len(value))
    keying.value(value.name)
    _index(keying, value.index)
    _column(keying, value.array)
    keying.value(dict(value.attrs))


def _index(keying: Keying, index: Any) -> None:
    pandas = _pandas()
    keying.tag("index")
    keying.values(index.names)
    keying.number(len(index))
    if isinstance(index, pandas.MultiIndex):
        # Value by value: how levels are numbered, and which are unused, is history.
        for level in range(index.nlevels):
            _column(keying, index.get_level_values(level).array)
    elif steps := _steps(index):
        keying.tag("range")
        keying.value(steps)
    else:
        _column(keying, index.array)


def _steps(index: Any) -> tuple[int, int] | None:
    """Return the first value and the step of an evenly stepping int64 index; it equals a RangeIndex."""
    if str(index.dtype) != "int64" or not len(index):
        return None
    first = int(index[0])
    step = int(index[1]) - first if len(index) > 1 else 1
    if isinstance(index, _pandas().RangeIndex):
        return first, step
    if int(index[-1]) != first + step * (len(index) - 1):
        return None
    numpy = sys.modules["numpy"]
    values = numpy.asarray(index)
    return (first, step) if bool((numpy.diff(values) == step).all()) else None


def _column(keying: Keying, values: Any) -> None:
    """Write one column's type and values; *values* is pandas' own array."""
    pandas, numpy = _pandas(), sys.modules["numpy"]
    dtype = values.dtype
    if isinstance(dtype, pandas.StringDtype):
        keying.tag(f"string {getattr(dtype, 'na_value', pandas.NA)}")
        _strings(keying, values)
    elif isinstance(values, numpy.ndarray | pandas.arrays.NumpyExtensionArray):
        bare = numpy.asarray(values)
        keying.tag(bare.dtype.str)
        if bare.dtype.kind == "O":
            _objects(keying, bare.tolist())
        else:
            write_array(keying, bare)
    elif isinstance(dtype, numpy.dtype):  # dates and spans without a zone
        keying.tag(dtype.str)
        write_array(keying, numpy.asarray(values))
    elif isinstance(dtype, pandas.CategoricalDtype):
        _category_type(keying, dtype)
        write_array(keying, numpy.asarray(values.codes))
    elif hasattr(pandas, "ArrowDtype") and isinstance(dtype, pandas.ArrowDtype):
        keying.value(values.__arrow_array__())
    else:
        keying.tag(str(dtype))
        _extension(keying, values)


def _extension(keying: Keying, values: Any) -> None:
    pandas, numpy = _pandas(), sys.modules["numpy"]
    dtype = values.dtype
    if isinstance(dtype, pandas.DatetimeTZDtype | pandas.PeriodDtype):
        write_array(keying, numpy.asarray(values.asi8))
    elif isinstance(dtype, pandas.IntervalDtype):
        keying.value(dtype.closed)
        _column(keying, values.left.array)
        _column(keying, values.right.array)
    elif isinstance(dtype, pandas.SparseDtype):
        keying.value(dtype.fill_value)
        write_array(keying, numpy.asarray(values))
    elif hasattr(dtype, "numpy_dtype") and type(dtype).__module__.partition(".")[0] == "pandas":
        missing = numpy.asarray(values.isna())
        zero = numpy.zeros((), dtype.numpy_dtype).item()
        write_array(keying, missing)
        write_array(keying, values.to_numpy(dtype=dtype.numpy_dtype, na_value=zero))  # junk under the mask
    else:
        raise refuse(type(values))


def _strings(keying: Keying, values: Any) -> None:
    """Write a string column alike, whether Arrow or Python objects hold it."""
    if getattr(values.dtype, "storage", "python") != "python":
        key_arrow = import_module("spacehand_runtime.key.arrow")
        column = import_module("pyarrow").chunked_array(values.__arrow_array__())
        # Missing ones become empty: that is quicker than leaving them out.
        missing = column.null_count
        keying.number(missing)
        if missing:
            absent = key_arrow.one_chunk(column.is_null())
            keying.text(key_arrow.bits(absent.buffers()[1], absent.offset, len(absent)))
            column = column.fill_null("")
        chunk = key_arrow.one_chunk(column) if len(column) else None
        if chunk is not None:
            key_arrow.write_texts(keying, chunk)
        return
    absent = values.isna()
    keying.number(int(absent.sum()))
    if absent.any():
        keying.text(sys.modules["numpy"].packbits(absent, bitorder="little").tobytes())
    texts = ["" if gone else text for text, gone in zip(values, absent.tolist(), strict=True)]
    if texts:
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        ends = array("q", [0])
        total = 0
        for one in encoded:
            total += len(one)
            ends.append(total)
        keying.raw(ends)
        keying.raw(b"".join(encoded))


def _objects(keying: Keying, values: list[Any]) -> None:
    """Write Python objects: texts and missing ones all at once, as they are many, and the rest one by one."""
    kinds = set(map(type, values))
    if not kinds <= {str, float, type(None)}:
        keying.tag("objects")
        keying.values(values)
        return
    keying.tag("texts")
    keying.number(len(values))
    if kinds != {str}:
        codes = {str: 0, type(None): 1, float: 2}
        keying.raw(bytes(codes[type(value)] for value in values))
        keying.raw(array("d", [value for value in values if type(value) is float]))
        values = [value for value in values if type(value) is str]
    keying.raw(array("q", map(len, values)))
    keying.raw("".join(values).encode("utf-8", "surrogatepass"))


def _timestamp(keying: Keying, value: Any) -> None:
    keying.tag("Timestamp")
    keying.value((value.unit, value.to_numpy(), value.fold, str(value.tz)))


def _category_type(keying: Keying, dtype: Any) -> None:
    keying.tag("category")
    keying.value(dtype.ordered)
    if dtype.categories is None:
        keying.tag("any")
    else:
        _index(keying, dtype.categories)


def _pandas() -> Any:
    return sys.modules["pandas"]
