"""An app's own counters and histograms."""

import pytest

from spacehand_runtime import Metrics
from spacehand_runtime.metrics.exposition import exposition


def lines(metrics, start):
    return [line for line in exposition(metrics.snapshot()).splitlines() if line.startswith(start)]


def test_a_counter_counts_by_its_labels():
    """
    Each combination of labels is a series of its own, and asking for the counter again gives the same one.
    """
    metrics = Metrics()
    metrics.counter("analyses_total", "Analyses.", ["kind"]).add(kind="cox")
    metrics.counter("analyses_total", "Analyses.", ["kind"]).add(2, kind="cox")
    metrics.counter("analyses_total", "Analyses.", ["kind"]).add(kind='a "b"\\\n')

    assert lines(metrics, "analyses_total") == [
        'analyses_total{kind="cox"} 3',
        'analyses_total{kind="a \\"b\\"\\\\\\n"} 1',
    ]
    with pytest.raises(ValueError, match="only grows"):
        metrics.counter("analyses_total", "Analyses.", ["kind"]).add(-1, kind="cox")
    with pytest.raises(ValueError, match="has the labels"):
        metrics.counter("analyses_total", "Analyses.", ["kind"]).add()
    with pytest.raises(ValueError, match="is a counter"):
        metrics.histogram("analyses_total", "Analyses.")
    with pytest.raises(ValueError, match="no name"):
        metrics.counter("Analyses total", "")


def test_a_histogram_counts_all_up_to_each_bound():
    """
    Buckets are cumulative, the last holds everything, and a bound belongs to its bucket.
    """
    metrics = Metrics()
    rows = metrics.histogram("rows", "Rows.", bounds=[10, 100])
    for value in (1, 10, 11, 1000):
        rows.observe(value)

    assert lines(metrics, "rows") == [
        'rows_bucket{le="10"} 2',
        'rows_bucket{le="100"} 3',
        'rows_bucket{le="+Inf"} 4',
        "rows_sum 1022.0",
        "rows_count 4",
    ]


def test_labels_from_outside_cannot_fill_the_memory():
    """
    After some hundred series, the rest is counted together.
    """
    metrics = Metrics()
    counter = metrics.counter("paths_total", "Paths.", ["path"])
    for number in range(10_000):
        counter.add(path=f"/{number}")

    series = counter.series()
    assert len(series) == 501
    assert series[-1] == {"labels": {"path": "other"}, "value": 9_500}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_spoils_no_sum(number):
    """
    JSON has no word for it, and the sum would say nothing from then on.
    """
    metrics = Metrics()
    with pytest.raises(ValueError, match=r"finite|only grows"):
        metrics.counter("rows_total", "Rows.").add(number)
    with pytest.raises(ValueError, match="finite"):
        metrics.histogram("rows", "Rows.").observe(number)
    assert metrics.snapshot()["instruments"]["rows"]["series"] == []


@pytest.mark.parametrize("labels", [["le"], ["kind", "kind"]])
def test_a_label_is_the_instruments_own(labels):
    """
    Prometheus would not take two of one name, and uses `le` itself.
    """
    with pytest.raises(ValueError, match="must differ"):
        Metrics().histogram("rows", "Rows.", labels)
