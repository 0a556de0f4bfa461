"""A snapshot in Prometheus' text format, version 0.0.4."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_KINDS = (  # where it stands in the snapshot, name, kind, about
    ("uptime_s", "uptime_seconds", "gauge", "Seconds since the app started."),
    ("cache.hits", "cache_hits_total", "counter", "Results that were found."),
    ("cache.misses", "cache_misses_total", "counter", "Results that had to be computed."),
    ("cache.hit_rate", "cache_hit_ratio", "gauge", "Share of hits, from 0 to 1."),
    ("cache.items", "cache_items", "gauge", "Results in memory."),
    ("cache.bytes", "cache_bytes", "gauge", "Bytes of results in memory."),
    ("cache.evictions", "cache_evictions_total", "counter", "Results dropped from memory for others."),
    ("memory.used", "memory_used_bytes", "gauge", "Memory in use."),
    ("memory.limit", "memory_limit_bytes", "gauge", "Memory that may be used."),
    ("queue.pending", "queue_pending", "gauge", "Jobs that wait."),
    ("queue.running", "queue_running", "gauge", "Jobs or requests that run."),
    ("queue.failed", "queue_failed_total", "counter", "Jobs that failed."),
    ("requests.count", "requests_total", "counter", "Requests that ended."),
    ("requests.errors", "request_errors_total", "counter", "Requests that failed."),
    ("sessions.active", "sessions_active", "gauge", "Visitors that are here now."),
    ("sessions.today", "sessions_today", "gauge", "Sessions begun within a day."),
    ("sessions.users_today", "users_today", "gauge", "Different users within a day."),
    ("sessions.mean_s", "session_mean_seconds", "gauge", "Mean length of the sessions that ended."),
    ("feedback.up", "feedback_up_total", "counter", "Thumbs up."),
    ("feedback.down", "feedback_down_total", "counter", "Thumbs down."),
)


def exposition(snapshot: Mapping[str, Any]) -> str:
    """Return *snapshot* as Prometheus reads it; what is not known is left out."""
    return "".join(f"{line}\n" for line in _lines(snapshot))


def _lines(snapshot: Mapping[str, Any]) -> Iterator[str]:
    for place, name, kind, about in _KINDS:
        value: Any = snapshot
        for step in place.split("."):
            value = value[step]
        if value is not None:
            yield from _head(f"spacehand_{name}", kind, about)
            yield f"spacehand_{name} {_number(value)}"
    for name, instrument in snapshot["instruments"].items():
        yield from _head(name, instrument["kind"], instrument["about"])
        for series in instrument["series"]:
            yield from _series(name, series)


def _head(name: str, kind: str, about: str) -> Iterator[str]:
    about = about.replace("\\", "\\\\").replace("\n", "\\n")
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"


def _series(name: str, series: Mapping[str, Any]) -> Iterator[str]:
    labels = series["labels"]
    if "value" in series:
        yield f"{name}{_labels(labels)} {_number(series['value'])}"
        return
    for bound, count in series["buckets"]:
        le = "+Inf" if bound is None else _number(bound)
        yield f"{name}_bucket{_labels({**labels, 'le': le})} {count}"
    yield f"{name}_sum{_labels(labels)} {_number(series['sum'])}"
    yield f"{name}_count{_labels(labels)} {series['count']}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
