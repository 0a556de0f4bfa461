"""The older cache's calls, and none of its defects."""

import pytest

from spacehand_runtime.compat import COMPUTATION_CACHE, ComputationCache


def test_the_older_calls_do_what_they_did():
    """
    What was set is got, under the same function and arguments, however they are ordered.
    """
    cache = ComputationCache(ttl_seconds=600, max_cache_size=50)

    assert cache.get("logit", n=1, outcome="death") is None
    cache.set("logit", {"or": 1.5}, n=1, outcome="death")
    for _ in range(3):
        assert cache.get("logit", outcome="death", n=1) == {"or": 1.5}

    assert cache.get_stats() == {
        "cached_items": 1,
        "max_size": 50,
        "hits": 3,
        "misses": 1,
        "hit_rate": "75.0%",
        "ttl_seconds": 600,
        "total_requests": 4,
    }
    assert cache.clear_expired() == 0
    cache.clear()
    assert cache.get("logit", n=1, outcome="death") is None


def test_the_rate_stays_a_rate():
    """
    Before the first question it is nothing, and it never passes a hundred.
    """
    cache = ComputationCache()

    assert cache.get_stats()["hit_rate"] == "0.0%"
    cache.set("f", 1)
    cache.get("f")
    assert cache.get_stats()["hit_rate"] == "100.0%"


def test_two_data_sets_that_print_alike_are_two():
    """
    One cell in the middle, or two swapped column names, is another question.
    """
    pd = pytest.importorskip("pandas")
    cache = ComputationCache()
    data = pd.DataFrame({"age": range(500), "bmi": range(500)})
    cache.set("table", "first", data=data)
    edited = data.copy()
    edited.loc[250, "age"] = -1

    assert cache.get("table", data=data.copy()) == "first"
    assert cache.get("table", data=edited) is None
    assert cache.get("table", data=data.rename(columns={"age": "bmi", "bmi": "age"})) is None


def test_a_result_cannot_be_changed_by_who_gets_it():
    """
    The next one gets what was set.
    """
    cache = ComputationCache()
    cache.set("f", [1])
    cache.get("f").append(2)

    assert cache.get("f") == [1]


def test_the_number_of_items_is_bounded():
    """
    The one used longest ago goes.
    """
    cache = ComputationCache(max_cache_size=2)
    for number in range(3):
        cache.set("f", number, n=number)

    assert [cache.get("f", n=number) for number in range(3)] == [None, 1, 2]


def test_there_is_one_for_the_whole_app():
    """
    Older apps import it by this name.
    """
    assert isinstance(COMPUTATION_CACHE, ComputationCache)
    assert COMPUTATION_CACHE.get_stats()["ttl_seconds"] == 1800
