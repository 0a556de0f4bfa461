"""Results that come back as they went in, without pickle."""

# ruff: noqa: E501 - tables of cases read better on one line

import pytest

from spacehand_runtime import Cache, UncacheableError, content_key


def stored(value, folder):
    """Return *value* as the next process gets it, and as this one does from memory."""
    Cache(directory=folder).get_or_compute("key", lambda: value)
    memory = Cache()
    memory.get_or_compute("key", lambda: value)
    return Cache(directory=folder).get_or_compute("key", lambda: "lost"), memory.get_or_compute("key", dict)


PLAIN = [None, True, 2**70, -0.0, float("inf"), "ä\ud800\0", b"", b"\0\xff", bytearray(b"x"), [], [[1, "a"]], (1, (2,)),
         {"a": [1], 2: {"$": "dict"}, (1, "b"): None}, {1, 2}, frozenset({"x"}), {"$": "tuple", "items": [1]}]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back_the_same(value, tmp_path):
    """
    Types included: a tuple is no list, and a dict that looks like our own notes is a dict.
    """
    for back in stored(value, tmp_path):
        assert content_key(back) == content_key(value)


def test_arrays_come_back_the_same(tmp_path):
    """
    Type, shape, order in memory and every bit; and nobody can write into what is shared.
    """
    numpy = pytest.importorskip("numpy")
    base = numpy.arange(24).reshape(4, 6)
    arrays = [
        base.astype(kind) for kind in ("i1", "f4", ">f8", "c16", "?", "M8[ns]", "m8[s]", "U3", "S2", "f2")
    ]
    arrays += [
        base.T,
        base[::2, ::3],
        numpy.asfortranarray(base),
        numpy.zeros((0, 3)),
        numpy.array(5.0),
        numpy.arange(200_000),
    ]
    for back in stored([*arrays, numpy.float32(1.5), numpy.datetime64("2026-01-01")], tmp_path):
        for was, now in zip(arrays, back, strict=False):
            assert (now.dtype, now.shape) == (was.dtype, was.shape)
            assert content_key(now) == content_key(was)
            assert now.flags.f_contiguous == was.flags.f_contiguous or not was.flags.contiguous
            assert not now.flags.writeable
            if not was.size:
                continue
            with pytest.raises(ValueError, match="WRITEABLE"):
                now.flags.writeable = True
        assert content_key(back[-2]) == content_key(numpy.float32(1.5))


def test_arrays_of_objects_are_refused(tmp_path):
    """
    Objects would need pickle.
    """
    numpy = pytest.importorskip("numpy")
    with pytest.raises(UncacheableError, match="object"):
        Cache().get_or_compute("key", lambda: numpy.array([object()]))


def test_frames_come_back_the_same(tmp_path):
    """
    Columns, types, names, indexes, missing values and notes.
    """
    pd = pytest.importorskip("pandas")
    from tests.runtime.test_key_tables import edits, frame

    whole = frame(50)
    cases = edits(whole)
    cases["repeated names"] = pd.concat([whole[["x"]], whole[["x"]]], axis=1)
    for name, case in cases.items():
        for back in stored(case, tmp_path / name.replace(" ", "-")):
            if isinstance(case, pd.DataFrame):
                pd.testing.assert_frame_equal(back, case)
            assert content_key(back) == content_key(case), name


def test_a_frame_that_comes_back_is_the_callers_own(tmp_path):
    """
    New columns are the caller's; what is shared cannot be written.
    """
    pd = pytest.importorskip("pandas")
    cache = Cache(directory=tmp_path)
    made = pd.DataFrame({"a": range(20_000), "b": 0.5})
    one = cache.get_or_compute("key", lambda: made)
    one["c"] = 1
    made.loc[0, "a"] = 99

    assert list(cache.get_or_compute("key", dict).columns) == ["a", "b"]
    assert cache.get_or_compute("key", dict).loc[0, "a"] == 0


def test_arrow_comes_back_the_same(tmp_path):
    """
    Tables, batches, arrays and columns, with their nulls and notes.
    """
    pa = pytest.importorskip("pyarrow")
    from tests.runtime.test_key_tables import arrays

    table = pa.table(arrays()).replace_schema_metadata({"source": "registry"})
    values = [
        table,
        table.slice(2, 5),
        table.to_batches()[0],
        table["text"],
        arrays()["list"],
        table.slice(0, 0),
    ]
    for back in stored(values, tmp_path):
        assert [type(value) for value in back] == [type(value) for value in values]
        assert [content_key(value) for value in back] == [content_key(value) for value in values]
