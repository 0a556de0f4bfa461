"""pandas' frames, series and indexes: column by column, each by its own array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from spacehand_runtime.codec.encoded import decode, keep, uncacheable
from spacehand_runtime.codec.numpy import encode as encode_array

Inner = Callable[[Any, list[Any]], Any]


def encode(value: Any, buffers: list[Any], inner: Inner) -> Any:
    """Take a frame, a series, an index or a point in time apart."""
    pandas = import_module("pandas")
    if type(value) is pandas.DataFrame:
        columns = [_column(series.array, buffers, inner) for _, series in value.items()]
        names, index = _index(value.columns, buffers, inner), _index(value.index, buffers, inner)
        attrs = inner(dict(value.attrs), buffers)
        return {"$": "pandas.frame", "columns": columns, "names": names, "index": index, "attrs": attrs}
    if type(value) is pandas.Series:
        index, attrs = _index(value.index, buffers, inner), inner(dict(value.attrs), buffers)
        column, name = _column(value.array, buffers, inner), inner(value.name, buffers)
        return {"$": "pandas.series", "column": column, "index": index, "name": name, "attrs": attrs}
    if isinstance(value, pandas.Index):
        return _index(value, buffers, inner)
    if isinstance(value, pandas.Timestamp) and (value.tz is None or _zone_by_name(value.tz)):
        return {
            "$": "pandas.index",
            "column": _column(value_array(value), buffers, inner),
            "names": [],
            "one": True,
        }
    if value is pandas.NaT or value is pandas.NA:
        return {"$": "pandas.missing", "name": "NaT" if value is pandas.NaT else "NA"}
    raise uncacheable(type(value))


def value_array(value: Any) -> Any:
    """Return one point in time as an array."""
    return import_module("pandas").DatetimeIndex([value]).array


def _index(index: Any, buffers: list[Any], inner: Inner) -> Any:
    pandas = import_module("pandas")
    names = [inner(name, buffers) for name in index.names]
    if isinstance(index, pandas.RangeIndex):
        return {"$": "pandas.range", "bounds": [index.start, index.stop, index.step], "names": names}
    if isinstance(index, pandas.MultiIndex):
        levels = [_column(index.get_level_values(n).array, buffers, inner) for n in range(index.nlevels)]
        return {"$": "pandas.levels", "levels": levels, "names": names}
    column = _column(index.array, buffers, inner)
    return {"$": "pandas.index", "column": column, "names": names, "step": _step(index)}


def _step(index: Any) -> str | None:
    """Return the frequency that an index of times knows, where a word says all of it."""
    frequency = getattr(index, "freq", None)
    if frequency is None:
        return None
    said: str = frequency.freqstr
    to_offset = import_module("pandas.tseries.frequencies").to_offset
    return said if to_offset(said) == frequency else None


def _column(values: Any, buffers: list[Any], inner: Inner) -> Any:
    pandas, numpy = import_module("pandas"), import_module("numpy")
    dtype = values.dtype
    if isinstance(dtype, pandas.StringDtype):
        return _strings(values, buffers)
    if isinstance(dtype, numpy.dtype) or isinstance(values, pandas.arrays.NumpyExtensionArray):
        bare = numpy.asarray(values)
        if bare.dtype.kind == "O":
            return {"$": "pandas.objects", "items": inner(bare.tolist(), buffers)}
        return encode_array(bare, buffers, inner)
    if isinstance(dtype, pandas.CategoricalDtype):
        codes = encode_array(numpy.asarray(values.codes), buffers, inner)
        categories = _index(dtype.categories, buffers, inner)
        return {
            "$": "pandas.category",
            "codes": codes,
            "categories": categories,
            "ordered": bool(dtype.ordered),
        }
    if isinstance(dtype, pandas.DatetimeTZDtype) and _zone_by_name(dtype.tz):
        numbers = encode_array(numpy.asarray(values.asi8), buffers, inner)
        return {"$": "pandas.zoned", "numbers": numbers, "zone": str(dtype.tz), "unit": dtype.unit}
    if isinstance(dtype, pandas.ArrowDtype):
        column = _arrow().encode(values.__arrow_array__(), buffers, inner)
        return {"$": "pandas.arrow", "column": column}
    if hasattr(dtype, "numpy_dtype") and type(dtype).__module__.partition(".")[0] == "pandas":
        missing = numpy.asarray(values.isna())
        zero = numpy.zeros((), dtype.numpy_dtype).item()
        bare = values.to_numpy(dtype=dtype.numpy_dtype, na_value=zero)
        parts = [encode_array(part, buffers, inner) for part in (bare, missing)]
        return {"$": "pandas.masked", "type": str(dtype), "parts": parts}
    raise uncacheable(type(values), f"of type `{dtype}` has no codec")


def _zone_by_name(zone: Any) -> bool:
    return str(zone) == "UTC" or hasattr(zone, "key") or hasattr(zone, "zone")  # the last: of pytz


def _strings(values: Any, buffers: list[Any]) -> Any:
    storage = getattr(values.dtype, "storage", "python")
    nan = values.dtype == "str" and getattr(values.dtype, "na_value", None) is not import_module("pandas").NA
    tree: dict[str, Any] = {"$": "pandas.strings", "storage": storage, "nan": nan}
    if storage == "pyarrow":
        codec = _arrow()
        return tree | {"column": codec.encode(values.__arrow_array__(), buffers, None)}
    gone = values.isna().tolist()
    texts = ["" if missing else text for text, missing in zip(values, gone, strict=True)]
    lengths = b"".join(
        (-1 if m else len(t)).to_bytes(8, "little", signed=True) for t, m in zip(texts, gone, strict=True)
    )
    at = [keep(buffers, lengths), keep(buffers, "".join(texts).encode("utf-8", "surrogatepass"))]
    return tree | {"at": at}


def _decode_strings(tree: Any, buffers: Sequence[memoryview]) -> Any:
    pandas = import_module("pandas")
    na = {"na_value": float("nan")} if tree["nan"] else {}
    dtype = pandas.StringDtype(tree["storage"], **na)
    if "column" in tree:
        return dtype.__from_arrow__(decode(tree["column"], buffers))
    lengths, text = buffers[tree["at"][0]], bytes(buffers[tree["at"][1]]).decode("utf-8", "surrogatepass")
    values: list[str | None] = []
    place = 0
    for length in import_module("numpy").frombuffer(lengths, "<i8").tolist():
        values.append(None if length < 0 else text[place : place + length])
        place += max(0, length)
    return pandas.array(values, dtype=dtype)


def _decode_index(tree: Any, buffers: Sequence[memoryview]) -> Any:
    pandas = import_module("pandas")
    names = [decode(name, buffers) for name in tree["names"]]
    if tree["$"] == "pandas.range":
        return pandas.RangeIndex(*tree["bounds"], name=names[0])
    if tree["$"] == "pandas.levels":
        return pandas.MultiIndex.from_arrays(
            [decode(level, buffers) for level in tree["levels"]], names=names
        )
    column = decode(tree["column"], buffers)
    if "one" in tree:
        return pandas.DatetimeIndex(column)[0]
    index = pandas.Index(column, dtype=column.dtype, copy=False, name=names[0])
    if tree.get("step"):
        index.freq = tree["step"]
    return index


def _decode_objects(tree: Any, buffers: Sequence[memoryview]) -> Any:
    numpy = import_module("numpy")
    items = decode(tree["items"], buffers)
    values = numpy.empty(len(items), object)
    values[:] = items
    return values


def _decode_category(tree: Any, buffers: Sequence[memoryview]) -> Any:
    pandas = import_module("pandas")
    dtype = pandas.CategoricalDtype(decode(tree["categories"], buffers), ordered=tree["ordered"])
    return pandas.Categorical.from_codes(decode(tree["codes"], buffers), dtype=dtype)


def _decode_zoned(tree: Any, buffers: Sequence[memoryview]) -> Any:
    pandas = import_module("pandas")
    stamps = decode(tree["numbers"], buffers).view(f"M8[{tree['unit']}]")
    return pandas.DatetimeIndex(stamps).tz_localize("UTC").tz_convert(tree["zone"]).array


def _decode_masked(tree: Any, buffers: Sequence[memoryview]) -> Any:
    pandas = import_module("pandas")
    bare, missing = (decode(part, buffers) for part in tree["parts"])
    made = pandas.array(bare, dtype=tree["type"])
    if missing.any():
        made[missing] = pandas.NA
    return made


def _decode_arrow(tree: Any, buffers: Sequence[memoryview]) -> Any:
    column = decode(tree["column"], buffers)
    return import_module("pandas").ArrowDtype(column.type).__from_arrow__(column)


def _decode_series(tree: Any, buffers: Sequence[memoryview]) -> Any:
    column, index = decode(tree["column"], buffers), decode(tree["index"], buffers)
    name = decode(tree["name"], buffers)
    series = import_module("pandas").Series(column, index=index, name=name, copy=False, dtype=column.dtype)
    series.attrs.update(decode(tree["attrs"], buffers))
    return series


def _decode_frame(tree: Any, buffers: Sequence[memoryview]) -> Any:
    # By number first: names may repeat. Without a copy: each column looks into its buffer.
    pandas = import_module("pandas")
    index = decode(tree["index"], buffers)
    columns = [decode(column, buffers) for column in tree["columns"]]
    series = {n: pandas.Series(c, index=index, dtype=c.dtype, copy=False) for n, c in enumerate(columns)}
    frame = pandas.DataFrame(series, index=index, copy=False)
    frame.columns = decode(tree["names"], buffers)
    frame.attrs.update(decode(tree["attrs"], buffers))
    return frame


def _arrow() -> Any:
    """Return the codec of Arrow, which only some columns need."""
    return import_module("spacehand_runtime.codec.arrow")


DECODERS: dict[str, Callable[[Any, Sequence[memoryview]], Any]] = {
    "pandas.frame": _decode_frame,
    "pandas.series": _decode_series,
    "pandas.index": _decode_index,
    "pandas.range": _decode_index,
    "pandas.levels": _decode_index,
    "pandas.objects": _decode_objects,
    "pandas.strings": _decode_strings,
    "pandas.category": _decode_category,
    "pandas.zoned": _decode_zoned,
    "pandas.masked": _decode_masked,
    "pandas.arrow": _decode_arrow,
    "pandas.missing": lambda tree, _buffers: getattr(import_module("pandas"), tree["name"]),
}
