"""Keys of arrays and tables: every value counts, the layout never does."""

# ruff: noqa: E501, S301 - tables of cases read better on one line; the pickles are our own

import pickle
from importlib import import_module

import pytest

from spacehand_runtime import UnkeyableError, content_key

numpy = pytest.importorskip("numpy")


def pandas():
    return pytest.importorskip("pandas")


def arrow():
    return pytest.importorskip("pyarrow")


def frame(rows=1000):
    pd = pandas()
    random = numpy.random.default_rng(0)
    return pd.DataFrame(
        {
            "x": random.random(rows),
            "n": random.integers(0, 100, rows),
            "text": pd.Series([f"t{n % 17}" for n in range(rows)]),
            "maybe": pd.Series([None if n % 7 == 0 else n for n in range(rows)], dtype="Int64"),
            "kind": pd.Categorical([("a", "b", "c")[n % 3] for n in range(rows)]),
            "when": pd.date_range("2026-01-01", periods=rows, freq="h", tz="Europe/Paris"),
            "mixed": pd.Series([("s", None, float("nan"))[n % 3] for n in range(rows)], dtype=object),
            "flag": [n % 2 == 0 for n in range(rows)],
        }
    )


def test_an_array_is_its_values_in_order():
    """
    Copies, views, columns-first and mapped arrays have one key.
    """
    array = numpy.arange(60_000, dtype="f8").reshape(300, 200)
    wide = numpy.zeros((600, 400))
    wide[::2, ::2] = array
    twins = [array.copy(), numpy.asfortranarray(array), array.T.copy().T, wide[::2, ::2], array[::-1][::-1],
             pickle.loads(pickle.dumps(array)), numpy.concatenate([array[:7], array[7:]])]  # fmt: skip

    assert {content_key(twin) for twin in twins} == {content_key(array)}


def test_big_arrays_without_order_in_memory_are_read_in_blocks():
    """
    An array too large to copy at once has the key of its contiguous twin.
    """
    array = numpy.arange(3_000_000, dtype="f8").reshape(3, -1)

    assert content_key(array.T) == content_key(numpy.ascontiguousarray(array.T)) != content_key(array)


def test_a_mapped_array_is_an_array(tmp_path):
    """
    Where the bytes lie does not count.
    """
    numpy.save(tmp_path / "a.npy", numpy.arange(10))

    assert content_key(numpy.load(tmp_path / "a.npy", mmap_mode="r")) == content_key(numpy.arange(10))


def test_arrays_that_differ_have_different_keys():
    """
    Type, shape, order of bytes, sign of zero and each value count.
    """
    zeros = [
        numpy.zeros(4, kind)
        for kind in ("i8", "i4", "u8", "f8", ">f8", "M8[s]", "M8[ns]", "m8[s]", "U2", "S8", "?", "c8", "O")
    ]
    more = [numpy.zeros((2, 2)), numpy.zeros((1, 4)), numpy.zeros((4, 1)), -numpy.zeros(4), numpy.zeros(0), numpy.zeros((0, 3)),
            numpy.float64(0), numpy.float32(0), numpy.array(0.0), numpy.ma.zeros(4)]  # fmt: skip
    keys = [content_key(value) for value in [*zeros, *more, numpy.zeros(4).tolist()]]

    assert len(set(keys)) == len(keys)


def test_each_of_many_elements_counts():
    """
    No sampling: one changed element of a million is noticed, wherever it is.
    """
    array = numpy.zeros(1_000_000)
    keys = {content_key(array)}
    for place in numpy.random.default_rng(1).integers(0, len(array), 20):
        array[place] += 1
        keys.add(content_key(array))

    assert len(keys) == 21


def test_padding_and_what_lies_under_a_mask_do_not_count():
    """
    Bytes that no program reads as values are not part of the key.
    """
    padded = numpy.dtype({"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [0, 8], "itemsize": 16})
    clean, dirty = numpy.zeros(3, padded), numpy.frombuffer(b"\xff" * 48, padded).copy()
    dirty["a"], dirty["b"] = 0, 0
    assert content_key(clean) == content_key(dirty)

    masks = [numpy.ma.MaskedArray([1.0, junk], [False, True], fill_value=0) for junk in (2.0, 3.0)]
    assert content_key(masks[0]) == content_key(masks[1])

    longs = [numpy.frombuffer(fill * 16, "g").copy() for fill in (b"\0", b"\xff")]
    for long in longs:
        long[:] = numpy.longdouble(1) / 3
    assert content_key(longs[0]) == content_key(longs[1])


def test_nan_counts_by_its_bits():
    """
    Two NaNs that a program can tell apart are two values.
    """
    usual, other = (
        numpy.array([0x7FF8 << 48], "u8").view("f8"),
        numpy.array([(0x7FF8 << 48) + 1], "u8").view("f8"),
    )

    assert content_key(usual) == content_key(numpy.array([float("nan")])) != content_key(other)


def test_an_unknown_subclass_of_an_array_is_refused():
    """
    A subclass may carry units or masks that the bare values do not show.
    """

    class Metres(numpy.ndarray):
        pass

    with pytest.raises(UnkeyableError, match="Metres"):
        content_key(numpy.zeros(3).view(Metres))


def test_a_frame_is_its_content():
    """
    A copy, the halves put together, a slice of more, and an unpickled twin have one key.
    """
    pd = pandas()
    whole = frame()
    key = content_key(whole)
    more = pd.concat([whole, whole.iloc[:3]])

    assert content_key(whole.copy()) == key
    assert content_key(whole.copy(deep=False)) == key
    assert content_key(pd.concat([whole.iloc[:400], whole.iloc[400:]])) == key
    assert content_key(pickle.loads(pickle.dumps(whole))) == key
    assert content_key(more.iloc[: len(whole)]) == key
    assert content_key(whole.iloc[list(range(len(whole)))]) == key
    assert content_key(pd.DataFrame({name: whole[name].to_numpy() for name in ("x", "n")})) == content_key(
        whole[["x", "n"]]
    )
    assert content_key(pd.DataFrame(whole[["x"]].to_numpy(), columns=["x"])) == content_key(whole[["x"]])


def test_a_frame_survives_parquet(tmp_path):
    """
    A round trip through Parquet does not change the key.
    """
    arrow()
    whole = frame().drop(columns="mixed")  # None and NaN among objects are one null in Parquet
    whole.to_parquet(tmp_path / "f.parquet")

    back = pandas().read_parquet(tmp_path / "f.parquet")
    assert content_key(back) == content_key(whole)


def edits(whole):
    """Return frames that differ from *whole* in one thing each."""
    pd = pandas()
    named = whole.rename_axis("row")
    return {
        "swapped names": whole.rename(columns={"x": "n", "n": "x"}),
        "order of columns": whole[list(reversed(whole.columns))],
        "order of rows": whole.iloc[::-1],
        "type": whole.astype({"n": "int32"}),
        "same values, other type": whole.astype({"n": "float64"}),
        "index": whole.set_axis(range(1, len(whole) + 1)),
        "type of index": whole.set_axis([float(n) for n in range(len(whole))]),
        "name of index": named,
        "two levels": whole.set_index("text", append=True),
        "zone": whole.assign(when=whole["when"].dt.tz_convert("Europe/Berlin")),
        "text for objects": whole.astype({"text": "string", "n": object}),
        "categories": whole.assign(kind=whole["kind"].cat.add_categories(["d"])),
        "order of categories": whole.assign(kind=whole["kind"].cat.reorder_categories(["c", "b", "a"])),
        "ordered": whole.assign(kind=whole["kind"].cat.as_ordered()),
        "none for nan": whole.assign(
            mixed=pd.Series([("s", None, None)[n % 3] for n in range(50)], dtype=object)
        ),
        "columns by number": whole.set_axis(range(len(whole.columns)), axis=1),
        "name of columns": whole.rename_axis("names", axis=1),
        "notes": _with_attrs(whole),
        "empty": whole.iloc[:0],
        "one column": whole[["x"]],
        "series": whole["x"],
        "series renamed": whole["x"].rename("y"),
        "index alone": pd.Index(whole["x"]),
    }


def _with_attrs(whole):
    noted = whole.copy()
    noted.attrs["source"] = "registry"
    return noted


def test_each_difference_between_frames_is_noticed():
    """
    Names, types, index, order and categories count as much as values.
    """
    whole = frame(50)
    seen = {content_key(whole): "whole"}
    for name, edited in edits(whole).items():
        assert seen.setdefault(content_key(edited), name) == name


def test_each_of_twenty_single_cells_is_noticed():
    """
    One changed cell, in any column and row, gives another key.
    """
    whole = frame(60_000)
    keys = {content_key(whole)}
    random = numpy.random.default_rng(2)
    for number in range(20):
        edited = whole.copy()
        name = ["x", "n", "text", "maybe", "flag", "when", "mixed"][number % 7]
        row = int(random.integers(0, len(whole)))
        change = {
            "x": 7.5,
            "n": 1000,
            "text": "new",
            "maybe": -1,
            "when": pandas().Timestamp("2000-01-01", tz="Europe/Paris"),
        }
        edited.loc[row, name] = change.get(name, "new" if name == "mixed" else not whole.loc[row, name])
        keys.add(content_key(edited))

    assert len(keys) == 21


def test_levels_of_a_multi_index_do_not_count_but_its_values_do():
    """
    Unused levels, left behind by a slice, are history.
    """
    pd = pandas()
    index = pd.MultiIndex.from_product([["a", "b", "c"], [1, 2]], names=["letter", "number"])
    sliced = pd.Series(range(6), index=index).iloc[2:4]
    fresh = pd.Series(
        [2, 3], index=pd.MultiIndex.from_tuples([("b", 1), ("b", 2)], names=["letter", "number"])
    )

    assert content_key(sliced) == content_key(fresh)
    assert content_key(fresh) != content_key(fresh.swaplevel())


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "Float64", "string", "object"])
def test_missing_values_count_and_the_junk_under_them_does_not(dtype):
    """
    A value set to missing is the same as one that was never there.
    """
    pd = pandas()
    values = {"boolean": [True, False, True], "string": ["a", "bb", "c"], "object": ["a", "bb", "c"]}.get(
        dtype, [1, 2, 3]
    )
    was_there = pd.Series(values, dtype=dtype)
    whole = content_key(was_there)
    was_there.iloc[1] = None
    never = pd.Series([values[0], None, values[2]], dtype=dtype)

    assert content_key(was_there) == content_key(never) != whole


@pytest.mark.parametrize("missing", [False, True])
def test_text_has_one_key_in_python_and_in_arrow(missing):
    """
    The library that happens to hold a text column is not part of its content.
    """
    pd = pandas()
    arrow()
    values = ["a", None if missing else "x", "", "äöü", "b" * 100]
    held = [pd.array(values, dtype=pd.StringDtype(storage)) for storage in ("python", "pyarrow")]
    keys = {content_key(pd.Series(one)) for one in held}
    parts = pd.concat([pd.Series(held[1][:2]), pd.Series(held[1][2:])], ignore_index=True)
    keys |= {content_key(parts), content_key(pd.Series(pd.array(["z", *values], dtype=held[1].dtype)[1:]))}

    assert len(keys) == 1


def arrays():
    pa = arrow()
    return {
        "int": pa.array([1, 2, None, 4, 5, None, 7, 8, 9, 10]),
        "bool": pa.array([True, None, False, True, True, False, None, True, False, True]),
        "text": pa.array(["a", None, "", "ccc", "d", None, "ee", "f", "g", "h"]),
        "large": pa.array(["a", None, "", "ccc", "d", None, "ee", "f", "g", "h"], pa.large_string()),
        "binary": pa.array([b"a", None, b"", b"\0", b"d", None, b"ee", b"f", b"g", b"h"]),
        "list": pa.array([[1], None, [], [2, None], [3], [4], [5], None, [6, 7, 8], [9]]),
        "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}, *[{"a": n, "b": "z"} for n in range(7)]]),
        "map": pa.array([[("k", 1)], None, [], *[[("k", n)] for n in range(7)]], pa.map_(pa.string(), pa.int64())),
        "dictionary": pa.array(["a", "b", None, "a", "c", "a", "b", "b", "c", "a"]).dictionary_encode(),
        "when": pa.array([1, 2, None, 4, 5, 6, 7, 8, 9, 10], pa.timestamp("us", "UTC")),
        "decimal": pa.array([1, 2, None, 4, 5, 6, 7, 8, 9, 10], pa.decimal128(20, 2)),
        "fixed": pa.array([b"ab", None, *[b"cd"] * 8], pa.binary(2)),
        "fixed list": pa.array([[1, 2], None, *[[3, 4]] * 8], pa.list_(pa.int32(), 2)),
        "null": pa.nulls(10),
    }  # fmt: skip


NAMES = [
    "int",
    "bool",
    "text",
    "large",
    "binary",
    "list",
    "struct",
    "map",
    "dictionary",
    "when",
    "decimal",
    "fixed",
    "fixed list",
    "null",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_sliced_arrow_array_is_the_array_of_its_values(name):
    """
    Offsets into a larger buffer do not count, at any bit; nor do the chunks of a column.
    """
    pa = arrow()
    array = arrays()[name]
    for start, stop in [(0, 10), (1, 6), (3, 10), (2, 2)]:
        part = array.slice(start, stop - start)
        built = pa.concat_arrays([part.slice(0, 1), part.slice(1)]) if len(part) else pa.concat_arrays([part])
        assert content_key(part) == content_key(built), (start, stop)
    chunked = [
        pa.chunked_array([array]),
        pa.chunked_array([array.slice(0, 3), array.slice(3, 0), array.slice(3)]),
    ]
    assert content_key(chunked[0]) == content_key(chunked[1])
    if name != "null":
        assert content_key(array) != content_key(array.slice(1)) != content_key(array.slice(0, 9))
        assert content_key(array) != content_key(array.take(pa.array([1, 0, *range(2, 10)])))


def test_junk_under_arrow_nulls_does_not_count():
    """
    What lies under a null may be anything.
    """
    pa = arrow()
    valid = pa.py_buffer(b"\x05")
    ints = [
        pa.Array.from_buffers(pa.int64(), 3, [valid, pa.py_buffer(numpy.array([1, junk, 3]).tobytes())])
        for junk in (2, 99)
    ]
    texts = [
        pa.Array.from_buffers(
            pa.string(), 3, [valid, pa.py_buffer(numpy.array(ends, "i4").tobytes()), pa.py_buffer(data)]
        )
        for ends, data in [([0, 1, 1, 2], b"ab"), ([0, 1, 3, 4], b"aXXb")]
    ]

    assert content_key(ints[0]) == content_key(ints[1]) == content_key(pa.array([1, None, 3]))
    assert content_key(texts[0]) == content_key(texts[1]) == content_key(pa.array(["a", None, "b"]))


def test_arrow_tables_are_their_values_names_and_types(tmp_path):
    """
    A round trip through Parquet, and the chunks of a concatenation, leave the key; a name or a type does not.
    """
    pa, parquet = arrow(), pytest.importorskip("pyarrow.parquet")
    columns = {name: array for name, array in arrays().items() if name != "fixed list"}
    table = pa.table(columns)
    parquet.write_table(table, tmp_path / "t.parquet")

    assert content_key(parquet.read_table(tmp_path / "t.parquet")) == content_key(table)
    assert content_key(pa.concat_tables([table.slice(0, 4), table.slice(4)])) == content_key(table)
    assert content_key(table.rename_columns([*table.column_names[1:], "int"])) != content_key(table)
    assert content_key(table.set_column(0, "int", table["int"].cast("int32"))) != content_key(table)
    assert content_key(table) != content_key(table.to_batches()[0])


def _random_frame(random):
    pd = pandas()
    rows = int(random.integers(0, 4))
    kinds = random.choice(["int64", "float64", "bool", "object", "Int64"], int(random.integers(0, 3)))
    columns = {
        chr(97 + n): pd.Series(random.integers(0, 2, rows), dtype=kind) for n, kind in enumerate(kinds)
    }
    return pd.DataFrame(columns, index=pd.Index(random.integers(0, 2, rows), dtype="int64"))


def _same(one, other):
    testing = import_module("pandas.testing")
    try:
        testing.assert_frame_equal(one, other, check_index_type="exact", check_column_type="exact")
    except AssertionError:
        return False
    return all(type(a) is type(b) for c in one for a, b in zip(one[c], other[c], strict=True))


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_random_frames_share_a_key_only_when_equal(count):
    """
    Over many small frames, where twins are common, there is no false hit and no false miss.
    """
    random = numpy.random.default_rng(3)
    by_key: dict = {}
    distinct: dict = {}
    for _ in range(count):
        made = _random_frame(random)
        first = by_key.setdefault(content_key(made), made)
        assert _same(first, made), "a false hit"
        written = repr(
            (made.to_dict("split"), [str(t) for t in made.dtypes], [type(v) for c in made for v in made[c]])
        )
        assert distinct.setdefault(written, content_key(made)) == content_key(made), "a false miss"

    assert 20 < len(by_key) < count
