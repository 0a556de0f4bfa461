"""Keys that stand for the whole content of plain objects, files and functions."""

# ruff: noqa: E501, S301, DTZ001 - tables of cases read better on one line; the pickles are our own

import datetime as dt
import enum
import functools
import os
import subprocess
import sys
import types
from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacehand_runtime import Cache, UnkeyableError, content_key, register_key

Point = namedtuple("Point", "x y")
Other = namedtuple("Other", "x y")


class Color(enum.Enum):
    RED = 1


@dataclass
class Settings:
    rounds: int


DIFFERENT = [
    None, True, False, 0, 1, -1, 255, 256, 2**80, 0.0, -0.0, 1.0, float("nan"), 1 + 0j,
    "", "1", b"", b"1", bytearray(b"1"), (), [], {}, set(), frozenset(), (1,), [1], [[1]], {1}, frozenset({1}),
    [1, 2], [2, 1], [12], ["12"], ["1", "2"], ["a", "bc"], ["ab", "c"], {"a": 1}, {"a": 1.0}, {1: "a"},
    {"a": 1, "b": 2}, {"b": 2, "a": 1}, OrderedDict(a=1), deque([1]), deque([1], 2), range(3), slice(3),
    dt.date(2026, 1, 1), dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    dt.datetime(2026, 1, 1, tzinfo=ZoneInfo("Etc/UTC")), dt.time(1), dt.timedelta(1),
    Decimal(1), Decimal("1.0"), Point(1, 2), Other(1, 2), Color.RED, Settings(1), Settings(2), ..., int, str, len, abs,
    "\ud800", memoryview(b"1"),
]  # fmt: skip


@pytest.mark.parametrize("secure", [False, True])
def test_different_values_have_different_keys(secure):
    """
    No two of these are the same to a program, so no two share a key.
    """
    keys = [content_key(value, secure=secure) for value in DIFFERENT]

    assert len(set(keys)) == len(keys)


def test_arguments_do_not_run_into_each_other():
    """
    Where one object ends and the next begins is part of the key.
    """
    keys = {
        content_key(*some) for some in [("ab", "c"), ("a", "bc"), (("ab", "c"),), ("ab",), ("ab", "c", "")]
    }

    assert len(keys) == 5


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(json_like, json_like)
def test_keys_are_equal_exactly_when_the_values_are(one, other):
    """
    Two values share a key if, and only if, they are written the same.
    """
    assert (content_key(one) == content_key(other)) == (repr(one) == repr(other))


@given(json_like)
def test_a_twin_has_the_same_key(value):
    """
    How a value came about does not count.
    """
    import copy
    import pickle

    assert (
        content_key(value)
        == content_key(copy.deepcopy(value))
        == content_key(pickle.loads(pickle.dumps(value)))
    )


@given(st.lists(st.text(), unique=True))
def test_a_set_has_no_order(texts):
    """
    A set is its members, whatever the seed of the hash made of their order.
    """
    assert content_key(set(texts)) == content_key(dict.fromkeys(texts[::-1]).keys() | set())


PROGRAM = """
from spacehand_runtime import content_key
def scale(x, by=2): return {"alpha", "beta"} and x * by
print(content_key({"alpha", "beta", "gamma"}, scale, lambda x: x in {"a", "b", "c"}, [1, "a", None]))
"""


def test_keys_are_the_same_in_another_process():
    """
    A key written yesterday finds its entry today: no address and no hash seed gets in.
    """
    keys = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            check=True, stdout=subprocess.PIPE, env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("0", "1", "2")
    }  # fmt: skip

    assert len(keys) == 1


class Opaque:
    """Something whose content nobody knows."""

    def __init__(self, inside):
        self.inside = inside


def test_an_unknown_type_is_refused_by_name():
    """
    What is not known is not guessed; the message names the type and the cure.
    """
    with pytest.raises(UnkeyableError, match=r"Opaque.*register_key\(Opaque"):
        content_key([1, {"deep": Opaque(1)}])


def test_a_subclass_is_not_taken_for_its_base():
    """
    A subclass may hold more than its base shows.
    """

    class Tagged(dict):
        pass

    with pytest.raises(UnkeyableError, match="Tagged"):
        content_key(Tagged(a=1))


def test_a_registered_type_is_read():
    """
    Once told what its content is, a type is keyed by it.
    """

    class Known(Opaque):
        pass

    register_key(Known, lambda known: known.inside)

    assert content_key(Known(1)) == content_key(Known(1)) != content_key(Known(2))
    assert content_key(Known(1)) != content_key(1)


def test_what_contains_itself_is_refused():
    """
    An endless value is an error, not a crash; the same value twice is none.
    """
    endless: list = []
    endless.append(endless)
    with pytest.raises(UnkeyableError, match="contains itself"):
        content_key(endless)

    twice = [1]
    assert content_key([twice, twice]) == content_key([[1], [1]])


def test_a_path_is_its_content(tmp_path):
    """
    A file is known by its bytes wherever it lies; a folder by its names and files.
    """
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"x" * 3_000_000)
    other.write_bytes(b"x" * 3_000_000)
    assert content_key(one) == content_key(other)

    other.write_bytes(b"x" * 2_999_999 + b"y")
    assert content_key(one) != content_key(other)

    folders = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    for folder, name in zip(folders, ["n", "n", "m"], strict=True):
        folder.mkdir()
        (folder / name).write_text("content")
    keys = [content_key(folder) for folder in folders]
    assert keys[0] == keys[1] != keys[2]

    with pytest.raises(FileNotFoundError):
        content_key(Path("nowhere"))


def test_functions_are_what_they_do():
    """
    Two lambdas on one line differ; two made alike do not.
    """
    plus, minus = (lambda x: x + 1), (lambda x: x - 1)

    def adder(amount):
        return lambda x: x + amount

    assert content_key(plus) != content_key(minus)
    assert content_key(adder(1)) == content_key(adder(1)) != content_key(adder(2))
    assert content_key(functools.partial(max, 1)) != content_key(functools.partial(max, 2))


def _module(source: str) -> dict:
    names: dict = {"__name__": "an_app"}
    exec(source, names)  # noqa: S102
    return names


BASE = "LIMIT = 5\ndef helper(x): return x + 1\ndef analyse(x, y=2): return helper(x) + LIMIT\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [("x + 1", "x + 2"), ("LIMIT = 5", "LIMIT = 6"), ("y=2", "y=3"), ("+ LIMIT", "- LIMIT")],
)
def test_a_change_in_what_a_function_uses_is_noticed(before, after):
    """
    An edited helper, constant, default or body gives another key: no stale answers after an update.
    """
    assert content_key(_module(BASE)["analyse"]) != content_key(
        _module(BASE.replace(before, after))["analyse"]
    )


def test_a_change_in_the_apps_own_modules_is_noticed():
    """
    Also where a function is called through its module; those of libraries are known by their version.
    """

    def app(source):
        inner, outer = types.ModuleType("an_app.models"), types.ModuleType("an_app")
        exec(source, vars(inner))  # noqa: S102
        outer.models, outer.itself = inner, outer
        names = _module("def analyse(x): return an_app.models.cox(x), an_app.itself") | {"an_app": outer}
        return types.FunctionType(names["analyse"].__code__, names)

    keys = [content_key(app(f"def cox(x): return x + {n}\ndef other(x): return {n * m}"))
            for n, m in ((1, 1), (1, 2), (2, 1))]  # fmt: skip

    assert keys[0] == keys[1] != keys[2]  # what is not called does not count


def test_a_decorator_around_a_memoized_function_counts():
    """
    What it adds is part of the whole, though it looks like what it wraps.
    """

    @Cache().memoize()
    def inner(x):
        return x

    def times(number):
        @functools.wraps(inner)
        def outer(x):
            return number * inner(x)

        return outer

    assert content_key(times(2)) == content_key(times(2)) != content_key(times(3))


def test_what_an_app_registered_stays():
    """
    The types of a library are looked up late, and never over what the app said.
    """
    program = (
        "import fractions, sys, types\n"
        "numpy = types.ModuleType('numpy'); sys.modules['numpy'] = numpy\n"
        "from spacehand_runtime import content_key, register_key\n"
        "from spacehand_runtime.key import numpy as ours\n"
        "class ndarray: __module__ = 'numpy'\n"
        "class other: __module__ = 'numpy'\n"
        "register_key(ndarray, lambda _: 'mine')\n"
        "ours.writers = lambda: {ndarray: None, other: lambda keying, _: keying.tag('theirs')}\n"
        "before = content_key(ndarray())\n"
        "content_key(other())\n"
        "print(content_key(ndarray()) == before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip

    assert done.stdout == "True\n"


def test_a_change_that_does_nothing_is_not():
    """
    A comment and an empty line change nothing.
    """
    moved = "# new\n\n\n" + BASE

    assert content_key(_module(BASE)["analyse"]) == content_key(_module(moved)["analyse"])


def test_functions_that_call_each_other_have_keys():
    """
    Recursion, direct or through another, ends.
    """
    mutual = "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)\n"

    names, again = _module(mutual), _module(mutual)
    assert content_key(names["even"]) == content_key(again["even"]) != content_key(names["odd"])


def test_without_xxhash_blake2b_serves(monkeypatch):
    """
    Keys need no library; they say which digest made them.
    """
    from spacehand_runtime.key import digest

    for maker in (digest.fast, digest.secure):
        maker.cache_clear()
    monkeypatch.setitem(sys.modules, "xxhash", None)
    monkeypatch.setitem(sys.modules, "blake3", None)
    try:
        assert content_key(1).startswith("blake2b-")
        assert content_key(1, secure=True).startswith("blake2b-")
        assert content_key({1, 2}) == content_key({2, 1})
    finally:
        for maker in (digest.fast, digest.secure):
            maker.cache_clear()
