"""Keys of Arrow's arrays and tables: the values, whatever the chunks, offsets and bytes under the nulls."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from spacehand_runtime.key.keying import Keying, Writer, refuse


def writers() -> dict[type, Writer]:
    """Return the writers of Arrow's tables, columns and schemas."""
    arrow = import_module("pyarrow")
    return {
        arrow.Table: _table,
        arrow.RecordBatch: _table,
        arrow.ChunkedArray: _chunked,
        arrow.Schema: _schema,
        arrow.Buffer: lambda keying, value: keying.value(("arrow buffer", bytes(value))),
    }


def writer(kind: type) -> Writer | None:
    """Return the writer of an array, a scalar or a type, of which there are many."""
    arrow = import_module("pyarrow")
    if issubclass(kind, arrow.Array):
        return _array
    if issubclass(kind, arrow.DataType):
        return lambda keying, value: keying.value(("arrow type", _type_name(value)))
    if issubclass(kind, arrow.Scalar):
        return lambda keying, value: keying.value(("arrow scalar", arrow.array([value.as_py()], value.type)))
    return None


def write_values(keying: Keying, array: Any) -> None:
    """Write the length, which values are missing, and the others."""
    arrow = import_module("pyarrow")
    keying.number(len(array))
    if array.null_count and not arrow.types.is_null(array.type):
        keying.number(array.null_count)
        present = array.is_valid()
        keying.text(bits(present.buffers()[1], present.offset, len(present)))
        array = array.drop_null()  # under a null may lie anything
    else:
        keying.number(0)
    _present(keying, array)


def one_chunk(column: Any) -> Any:
    """Return a chunked *column* as one array."""
    arrow = import_module("pyarrow")
    if arrow.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    if column.num_chunks == 1:
        return column.chunk(0)
    if arrow.types.is_string(column.type) or arrow.types.is_binary(column.type):
        # 32 bit offsets may not be enough for all of them together.
        large = arrow.large_string() if arrow.types.is_string(column.type) else arrow.large_binary()
        column = column.cast(large)
    combined = column.combine_chunks()
    return combined if isinstance(combined, arrow.Array) else combined.chunk(0)


def _table(keying: Keying, value: Any) -> None:
    keying.tag(f"arrow {type(value).__name__}")
    _schema(keying, value.schema)
    keying.number(value.num_rows)
    for column in value.columns:
        write_values(keying, one_chunk(column) if hasattr(column, "num_chunks") else column)


def _schema(keying: Keying, value: Any) -> None:
    keying.tag("arrow schema")
    keying.values((field.name, _type_name(field.type), field.nullable) for field in value)
    keying.value(_metadata(value.metadata or {}))
    for field in value:
        noted = {k: v for k, v in (field.metadata or {}).items() if not k.startswith(b"PARQUET:")}
        keying.value(sorted(noted.items()))


def _metadata(metadata: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Return what was noted beside the data, less who wrote it: pandas keeps its index here."""
    kept = dict(metadata)
    if b"pandas" in kept:
        try:
            noted = json.loads(kept[b"pandas"])
            noted.pop("creator", None)
            noted.pop("pandas_version", None)
            kept[b"pandas"] = json.dumps(noted, sort_keys=True).encode()
        except (ValueError, AttributeError):
            pass  # not what pandas writes: all of it counts
    return sorted(kept.items())


def _chunked(keying: Keying, value: Any) -> None:
    keying.tag("arrow chunked array")
    keying.tag(_type_name(value.type))
    write_values(keying, one_chunk(value))


def _array(keying: Keying, value: Any) -> None:
    keying.tag("arrow array")
    keying.tag(_type_name(value.type))
    write_values(keying, value)


def _type_name(kind: Any) -> str:
    """Return a type in words, without the names inside a list: Parquet changes them, and they say nothing."""
    arrow = import_module("pyarrow")
    if isinstance(kind, arrow.ExtensionType):
        return f"{kind.extension_name} {kind.__arrow_ext_serialize__().hex()} {_type_name(kind.storage_type)}"
    if arrow.types.is_map(kind):
        return f"map {_type_name(kind.key_type)} {_type_name(kind.item_type)} {kind.keys_sorted}"
    if arrow.types.is_struct(kind):
        return repr([(field.name, _type_name(field.type), field.nullable) for field in kind])
    if arrow.types.is_list(kind) or arrow.types.is_large_list(kind) or arrow.types.is_fixed_size_list(kind):
        size = getattr(kind, "list_size", "large" if arrow.types.is_large_list(kind) else "")
        return f"list {size} {_type_name(kind.value_type)} {kind.value_field.nullable}"
    return str(kind)


def _present(keying: Keying, array: Any) -> None:
    """Write the values of an *array* that has no nulls."""
    types = import_module("pyarrow").types
    kind = array.type
    if isinstance(array, import_module("pyarrow").ExtensionArray):
        write_values(keying, array.storage)
    elif types.is_null(kind):
        pass
    elif types.is_boolean(kind):
        keying.text(bits(array.buffers()[1], array.offset, len(array)))
    elif types.is_dictionary(kind):
        if len(array):  # else there may be none
            write_values(keying, array.dictionary)
            write_values(keying, array.indices)
    elif types.is_struct(kind):
        for child in array.flatten():
            write_values(keying, child)
    elif types.is_fixed_size_list(kind):
        write_values(keying, array.flatten())
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind):
        _list(keying, array)
    elif _is_text(kind):
        write_texts(keying, array)
    else:
        _fixed_width(keying, array)


def _is_text(kind: Any) -> bool:
    types = import_module("pyarrow").types
    texts = (
        "is_string",
        "is_large_string",
        "is_binary",
        "is_large_binary",
        "is_string_view",
        "is_binary_view",
    )
    return any(getattr(types, name)(kind) for name in texts if hasattr(types, name))


def write_texts(keying: Keying, array: Any) -> None:
    """Write where each text ends, counted from the first, and all of them together."""
    arrow = import_module("pyarrow")
    if not arrow.types.is_large_string(array.type) and not arrow.types.is_large_binary(array.type):
        is_text = "string" in str(array.type)
        array = array.cast(arrow.large_string() if is_text else arrow.large_binary())
    if not len(array):
        return
    _, offsets, data = array.buffers()
    ends = arrow.Array.from_buffers(arrow.int64(), len(array) + 1, [None, offsets], offset=array.offset)
    first, last = ends[0].as_py(), ends[-1].as_py()
    if first:
        ends = import_module("pyarrow.compute").subtract(ends, first)
    _fixed_width(keying, ends)
    keying.raw(memoryview(data)[first:last] if data is not None else b"")


def _list(keying: Keying, array: Any) -> None:
    arrow = import_module("pyarrow")
    is_map = arrow.types.is_map(array.type)
    lengths = (
        import_module("pyarrow.compute").list_value_length(array)
        if not is_map
        else import_module("pyarrow.compute").list_value_length(_map_as_list(array))
    )
    write_values(keying, lengths.cast(arrow.int64()))
    write_values(keying, _map_as_list(array).flatten() if is_map else array.flatten())


def _map_as_list(array: Any) -> Any:
    arrow = import_module("pyarrow")
    pair = arrow.struct([("key", array.type.key_type), ("value", array.type.item_type)])
    return array.cast(arrow.list_(pair))


def _fixed_width(keying: Keying, array: Any) -> None:
    try:
        width = array.type.bit_width
    except ValueError:
        raise refuse(type(array), f"of `{array.type}` is not keyed yet") from None
    buffers = array.buffers()
    if width % 8 or len(buffers) != 2:
        raise refuse(type(array), f"of `{array.type}` is not keyed yet")
    size, data = width // 8, buffers[1]
    view = memoryview(data) if data is not None else memoryview(b"")
    keying.raw(view[array.offset * size : (array.offset + len(array)) * size])


def bits(buffer: Any, offset: int, length: int) -> bytes:
    """Return *length* bits of *buffer* from *offset* on, packed from the first, with zeros after the last."""
    data = bytes(memoryview(buffer)[offset // 8 : (offset + length + 7) // 8]) if buffer is not None else b""
    number = int.from_bytes(data, "little") >> (offset % 8)
    return (number & ((1 << length) - 1)).to_bytes((length + 7) // 8, "little")
