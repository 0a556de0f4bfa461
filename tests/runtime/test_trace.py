"""The stated trace of the benchmarks."""

from benchmarks import trace


def test_more_than_half_of_a_working_day_is_answered_from_the_cache():
    """
    The promise holds for the trace as it is stated.
    """
    requests = list(trace.day())

    assert 2500 < len(requests) < 3300
    assert trace.hit_rate(requests) > 0.5
