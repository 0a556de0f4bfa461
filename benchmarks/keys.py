"""Keys of large inputs, beside what others make of them; and what each of them fails to notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.figure import Figure, in_turn, seconds
from spacehand_runtime import content_key

ROUNDS = 5
ROWS = 800_000  # a mixed frame of 87 MB
EDITS = 20


def run(rounds: int = ROUNDS, rows: int = ROWS) -> list[Figure]:
    """Measure an array and, where pandas is installed, a mixed frame; count the edits that go unnoticed."""
    numpy = import_module("numpy")
    array = numpy.random.default_rng(0).random(rows * 15)
    figures = [
        Figure(f"Key of a {array.nbytes / 1e6:.0f} MB array", peer, *_beside(rounds, array, key), goal=goal)
        for peer, key, goal in _array_peers()
    ]
    if not find_spec("pandas"):
        return figures
    mixed = frame(rows)
    size = mixed.memory_usage(deep=True).sum() / 1e6
    for peer, key, goal in _frame_peers():
        figures.append(
            Figure(f"Key of a {size:.0f} MB mixed frame", peer, *_beside(rounds, mixed, key), goal=goal)
        )
        missed = [float(EDITS - _noticed(mixed, one)) for one in (content_key, key)]
        # Plus one, as nothing divided by nothing is no ratio.
        figures.append(
            Figure(
                f"{EDITS} single-cell edits unnoticed, plus one",
                peer,
                [missed[0] + 1],
                [missed[1] + 1],
                goal=1.0,
                unit="",
            )
        )
    return figures


def _beside(rounds: int, value: Any, peer: Callable[[Any], object]) -> tuple[list[float], list[float]]:
    content_key(value)
    peer(value)
    return in_turn(rounds, lambda: seconds(lambda: content_key(value)), lambda: seconds(lambda: peer(value)))


def _array_peers() -> Iterator[tuple[str, Callable[[Any], object], float | None]]:
    yield "one read of it (sum)", lambda array: array.sum(), None
    if find_spec("joblib"):
        yield "joblib.hash", import_module("joblib").hash, 0.1


def _frame_peers() -> Iterator[tuple[str, Callable[[Any], object], float | None]]:
    hash_pandas_object = import_module("pandas").util.hash_pandas_object
    yield "hash_pandas_object", lambda table: hash_pandas_object(table).to_numpy().tobytes(), 0.1
    if find_spec("joblib"):
        yield "joblib.hash", import_module("joblib").hash, None


def _noticed(table: Any, key: Callable[[Any], object]) -> int:
    random = import_module("numpy").random.default_rng(1)
    before, noticed = key(table), 0
    for row in random.integers(0, len(table), EDITS).tolist():
        was = table.at[row, "f0"]
        table.at[row, "f0"] = was + 1
        noticed += key(table) != before
        table.at[row, "f0"] = was
    return noticed


def frame(rows: int) -> Any:
    """Return a frame of numbers, texts and categories: 87 MB for 800,000 *rows*."""
    numpy, pandas = import_module("numpy"), import_module("pandas")
    random = numpy.random.default_rng(0)
    columns: dict[str, Any] = {f"f{n}": random.random(rows) for n in range(9)}
    columns |= {f"i{n}": random.integers(0, 1000, rows) for n in range(2)}
    columns["text"] = pandas.Series(random.integers(0, 10**6, rows).astype(str))
    columns["kind"] = pandas.Categorical(random.choice(list("abcd"), rows))
    return pandas.DataFrame(columns)
