"""Long lists, a page at a time: the next page's address is in the ``Link`` header."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse

from spacehand.localhub.errors import HubError
from spacehand.localhub.request import endpoint

Item = TypeVar("Item")
MAX_PAGE = 1000
_LONGEST_NUMBER = 18  # digits


def paged(
    request: Request,
    items: Sequence[Item],
    wire: Callable[[Item], object],
    *,
    size: int = MAX_PAGE,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """
    Answer one page of *items*, each turned to JSON by *wire*; ``limit`` and ``cursor`` come from the query.

    Only the page's own items go through *wire*, which may be slow.

    Raises:
        HubError: 400, ``limit`` or ``cursor`` is no number.
    """
    return paged_together(
        request, items, lambda page: [wire(item) for item in page], size=size, headers=headers
    )


def paged_together(
    request: Request,
    items: Sequence[Item],
    wire: Callable[[Sequence[Item]], list[Any]],
    *,
    size: int = MAX_PAGE,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Like `paged`, for items that are turned to JSON faster together than one by one."""
    start = _number(request, "cursor", 0)
    count = min(max(_number(request, "limit", size), 1), MAX_PAGE)
    answer = JSONResponse(wire(items[start : start + count]), headers=headers)
    if start + count < len(items):
        answer.headers["Link"] = f'<{_next_address(request, str(start + count))}>; rel="next"'
    return answer


def paged_by_name(
    request: Request,
    items: Sequence[Item],
    wire: Callable[[Sequence[Item]], list[Any]],
    *,
    name: Callable[[Item], str],
) -> JSONResponse:
    """
    Like `paged_together`, for *items* in the order of their names that may be others at the next page.

    The cursor is the name of the last one told, so nothing that stays is left out or told twice.
    """
    cursor = request.query_params.get("cursor")
    start = 0 if cursor is None else bisect_right(items, cursor, key=name)
    page = items[start : start + min(max(_number(request, "limit", MAX_PAGE), 1), MAX_PAGE)]
    answer = JSONResponse(wire(page))
    if start + len(page) < len(items):
        answer.headers["Link"] = f'<{_next_address(request, name(page[-1]))}>; rel="next"'
    return answer


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or len(text) > _LONGEST_NUMBER:
        raise HubError(400, f"`{name}` must be a number")
    return int(text)


def _next_address(request: Request, cursor: str) -> str:
    query = [(key, value) for key, value in request.query_params.multi_items() if key != "cursor"]
    return f"{endpoint(request)}{request.scope['path']}?{urlencode([*query, ('cursor', cursor)])}"
