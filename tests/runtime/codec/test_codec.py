"""Results that come back as they went in, without pickle."""

# ruff: noqa: E501 - tables of cases read better on one line

import io

import pytest

from spacehand_runtime import Cache, UncacheableError, content_key


def stored(value, folder):
    """Return *value* as the next process gets it, and as this one does from memory."""
    Cache(directory=folder).get_or_compute("key", lambda: value)
    memory = Cache()
    memory.get_or_compute("key", lambda: value)
    return Cache(directory=folder).get_or_compute("key", lambda: "lost"), memory.get_or_compute("key", dict)


PLAIN = [None, True, 2**70, -(2**70), -0.0, float("inf"), "ä\ud800\0", b"", b"\0\xff", bytearray(b"x"), [], [[1, "a"]], (1, (2,)),
         {"a": [1], 2: {"$": "dict"}, (1, "b"): None}, {1, 2}, frozenset({"x"}), {"$": "tuple", "items": [1]}]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back_the_same(value, tmp_path):
    """
    Types included: a tuple is no list, and a dict that looks like our own notes is a dict.
    """
    for back in stored(value, tmp_path):
        assert content_key(back) == content_key(value)


def test_long_numbers_and_deep_nests(tmp_path):
    """
    A number too long for decimal comes back; a nest too deep for any codec is refused by name.
    """
    for back in stored([10**5000, -(10**5000)], tmp_path):
        assert back == [10**5000, -(10**5000)]
    nest: list = []
    for _ in range(100_000):
        nest = [nest]
    with pytest.raises(UncacheableError, match="nested too deeply"):
        Cache().get_or_compute("key", lambda: nest)
    while nest:  # from the outside, as Python itself would run out of stack
        nest = nest.pop()


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
    from tests.runtime.key.test_tables import edits, frame

    whole = frame(50)
    cases = edits(whole)
    cases["dates with a step"] = pd.DataFrame({"x": [1, 2]}, pd.date_range("2026", periods=2, freq="W-MON"))
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
    from tests.runtime.key.test_tables import arrays

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


def test_images_come_back_the_same(tmp_path):
    """
    Pixels, mode, palette and notes; each caller may draw on its own.
    """
    image = pytest.importorskip("PIL.Image")
    numpy = pytest.importorskip("numpy")
    base = image.fromarray(numpy.arange(48, dtype="u1").reshape(4, 4, 3) * 5)
    modes = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F"]
    images = [base.convert(mode) if mode != "LAB" else image.new("LAB", (3, 2), (9, 8, 7)) for mode in modes]
    images[4].info["dpi"] = (72, 72)
    base.save(tmp_path / "file.png")
    with image.open(tmp_path / "file.png") as opened:
        for back in stored([*images, opened], tmp_path):
            for was, now in zip([*images, opened], back, strict=True):
                assert (now.mode, now.size, now.tobytes()) == (was.mode, was.size, was.tobytes())
                assert now.convert("RGB").tobytes() == was.convert("RGB").tobytes()
            assert back[4].info["dpi"] == (72, 72)
            back[4].putpixel((0, 0), (255, 255, 255))
    base.save(tmp_path / "moving.gif", save_all=True, append_images=[image.new("RGB", base.size)])
    with image.open(tmp_path / "moving.gif") as moving, pytest.raises(UncacheableError, match="moves"):
        Cache().get_or_compute("key", lambda: moving)


def test_plotly_figures_come_back_the_same(tmp_path):
    """
    Their JSON says all there is.
    """
    graph = pytest.importorskip("plotly.graph_objects")
    figure = graph.Figure(graph.Scatter(x=[1, 2], y=[3.5, None], name="a"), {"title": {"text": "ä <b>"}})
    for back in stored(figure, tmp_path):
        assert type(back) is graph.Figure
        assert back == figure


def test_matplotlib_figures_come_back_looking_the_same(tmp_path):
    """
    A figure of the same size shows the same picture, wherever a figure may be shown.
    """
    figure = pytest.importorskip("matplotlib.figure").Figure(figsize=(4, 3), dpi=80)
    figure.add_subplot().plot([1, 3, 2], "r-o")
    figure.suptitle("Survival")

    def drawn(figure):
        picture = io.BytesIO()
        figure.savefig(picture, dpi=160)  # as sharp as what is kept
        picture.seek(0)
        return pytest.importorskip("matplotlib.image").imread(picture)

    for back in stored(figure, tmp_path):
        assert type(back) is type(figure)
        assert (back.get_size_inches().tolist(), back.dpi) == ([4, 3], 80)
        assert drawn(back).shape == drawn(figure).shape
        assert abs(drawn(back) - drawn(figure)).max() < 0.01
    with pytest.raises(UncacheableError, match="part of a figure"):
        Cache().get_or_compute("key", lambda: figure.axes[0])
