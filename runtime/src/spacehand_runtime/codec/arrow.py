"""Arrow's tables and arrays, as an IPC stream that is read in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from spacehand_runtime.codec.encoded import keep, uncacheable


def encode(value: Any, buffers: list[Any], _inner: Callable[[Any, list[Any]], Any]) -> Any:
    """Take a table, a batch, an array or a column apart."""
    arrow = import_module("pyarrow")
    if isinstance(value, arrow.Table):
        return {"$": "pyarrow.table", "at": keep(buffers, _stream(value))}
    if isinstance(value, arrow.RecordBatch):
        return {"$": "pyarrow.batch", "at": keep(buffers, _stream(value))}
    if isinstance(value, arrow.ChunkedArray | arrow.Array):
        kind = "pyarrow.chunked" if isinstance(value, arrow.ChunkedArray) else "pyarrow.array"
        return {"$": kind, "at": keep(buffers, _stream(arrow.table({"": value})))}
    raise uncacheable(type(value))


def _stream(value: Any) -> memoryview:
    arrow = import_module("pyarrow")
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, value.schema) as writer:
        writer.write(value)
    return memoryview(sink.getvalue())


def _table(tree: Any, buffers: Sequence[memoryview]) -> Any:
    arrow = import_module("pyarrow")
    table = arrow.ipc.open_stream(arrow.py_buffer(buffers[tree["at"]])).read_all()
    table.validate()
    return table


def _batch(tree: Any, buffers: Sequence[memoryview]) -> Any:
    arrow = import_module("pyarrow")
    return arrow.ipc.open_stream(arrow.py_buffer(buffers[tree["at"]])).read_next_batch()


def _array(tree: Any, buffers: Sequence[memoryview]) -> Any:
    column = _table(tree, buffers).column(0)
    if column.num_chunks == 1:
        return column.chunk(0)
    return (
        import_module("pyarrow").concat_arrays(column.chunks)
        if column.num_chunks
        else column.combine_chunks()
    )


DECODERS = {
    "pyarrow.table": _table,
    "pyarrow.batch": _batch,
    "pyarrow.array": _array,
    "pyarrow.chunked": lambda tree, buffers: _table(tree, buffers).column(0),
}
