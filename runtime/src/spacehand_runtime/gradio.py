"""
Metrics, scopes and cached events for Gradio.

    @cached(cache, scope=current_user)
    def analyse(file): ...

    demo.launch(app_kwargs=observe(demo, metrics))
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, TypeVar, cast

from spacehand_runtime.asgi import Observed, Scope
from spacehand_runtime.cache.cache import Cache
from spacehand_runtime.cache.memoize import Scope as CacheScope
from spacehand_runtime.key.content import register_key
from spacehand_runtime.metrics.metrics import Metrics

__all__ = ["cached", "current_user", "observe"]

F = TypeVar("F", bound=Callable[..., Any])

_ABSENT = object()


def observe(demo: Any, metrics: Metrics) -> dict[str, Any]:
    """
    Return the ``app_kwargs`` for ``launch`` that answer ``/spacehand/`` and count sessions.

    From now on, *demo*'s events are counted as requests: each click whose function ran, or failed. Call it
    last, once all events are known.
    """
    for event in demo.fns.values():
        if event.fn is not None:
            event.fn = _timed(event.fn, metrics)
    with demo:
        demo.unload(lambda: None)  # a page keeps its connection only where somebody listens for its end
    middleware = import_module("starlette.middleware").Middleware
    ours = middleware(Observed, metrics=metrics, is_session=_is_session, is_request=lambda *_: False)
    return {"middleware": [ours]}


def current_user() -> str | None:
    """Return the name of the user who is logged in, or else this tab's session; None outside of an event."""
    request = import_module("gradio.context").LocalContext.request.get(None)
    if request is None:
        return None
    return cast("str | None", request.username or request.session_hash)


def cached(
    cache: Cache,
    *,
    ttl: float | None = -1.0,
    scope: CacheScope = None,
    tags: Iterable[str] = (),
    secure: bool = False,
) -> Callable[[F], F]:
    """
    Return a decorator that does what :meth:`Cache.memoize` does, and lets a hit pass Gradio's queue.

    Gradio asks such a function, before it queues an event, whether the result is there already.
    """
    register_key(import_module("gradio").Progress, lambda _: None)  # how far it is does not change a result

    def decorate(function: F) -> F:
        memoized: Any = cache.memoize(ttl=ttl, scope=scope, tags=tags, secure=secure)(function)
        find = functools.partial(memoized.spacehand_find, _ABSENT)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return _known(find(args, kwargs)) if _probing() else memoized(*args, **kwargs)

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            if _probing():
                return _known(await asyncio.to_thread(find, args, kwargs))
            return await memoized(*args, **kwargs)

        wrapper: Any = call_async if inspect.iscoroutinefunction(function) else call
        wrapper.cache = cache  # by this attribute Gradio knows what it may ask
        return cast("F", wrapper)

    return decorate


def _known(found: object) -> object:
    if found is _ABSENT:
        raise import_module("gradio.caching").CacheMissError
    return found


def _probing() -> bool:
    """Whether Gradio only asks what is there; versions before 6 never do."""
    try:
        caching = import_module("gradio.caching")
    except ImportError:
        return False
    return bool(getattr(caching, "_probe_mode_active").get())  # noqa: B009 - Gradio has no public way


def _timed(function: Callable[..., Any], metrics: Metrics) -> Callable[..., Any]:
    """Return *function*, of the same kind, counted; being asked what is there counts if it is."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with metrics.request() as seen:
            seen.counted = not _probing()
            result = function(*args, **kwargs)
            seen.counted = True
            return result

    @functools.wraps(function)
    async def call_async(*args: Any, **kwargs: Any) -> Any:
        with metrics.request() as seen:
            seen.counted = not _probing()
            result = await function(*args, **kwargs)
            seen.counted = True
            return result

    @functools.wraps(function)
    def generate(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with metrics.request():
            yield from function(*args, **kwargs)

    @functools.wraps(function)
    async def generate_async(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        with metrics.request():
            async for value in function(*args, **kwargs):
                yield value

    if inspect.isasyncgenfunction(function):
        return generate_async
    if inspect.isgeneratorfunction(function):
        return generate
    return call_async if inspect.iscoroutinefunction(function) else call


def _is_session(scope: Scope, path: str) -> bool:
    """Tell whether this is the connection that a tab keeps for as long as it is open."""
    return scope["type"] == "http" and "/heartbeat/" in path
