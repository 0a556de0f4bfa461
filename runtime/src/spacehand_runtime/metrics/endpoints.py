"""What an app answers under ``/spacehand/``, whatever serves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from spacehand_runtime.metrics.metrics import Metrics

PAGE, JSON, PROMETHEUS = "/spacehand/", "/spacehand/metrics.json", "/spacehand/metrics"


class Answer(NamedTuple):
    """What goes over HTTP; never to be stored, as it is another one a second later."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    )


def answer(metrics: Metrics, method: str, path: str) -> Answer | None:
    """Return the answer to a request for *path*; None if the path is not one of ours."""
    if path == PAGE.rstrip("/"):
        # Relative, as the app may be mounted anywhere.
        return Answer(307, "text/plain", b"", (("location", PAGE.rsplit("/", 2)[1] + "/"),))
    write = _WRITERS.get(path)
    if write is None:
        return None
    if method not in ("GET", "HEAD"):
        return Answer(405, "text/plain", b"Only GET\n", (("allow", "GET, HEAD"),))
    return write(metrics)


def _page(metrics: Metrics) -> Answer:
    from spacehand_runtime.metrics.page import page  # only for those who look at it

    return Answer(200, "text/html; charset=utf-8", page(metrics.snapshot()).encode())


def _json(metrics: Metrics) -> Answer:
    return Answer(200, "application/json", metrics.to_json().encode())


def _prometheus(metrics: Metrics) -> Answer:
    from spacehand_runtime.metrics.exposition import CONTENT_TYPE, exposition

    return Answer(200, CONTENT_TYPE, exposition(metrics.snapshot()).encode())


_WRITERS: dict[str, Callable[[Metrics], Answer]] = {PAGE: _page, JSON: _json, PROMETHEUS: _prometheus}
