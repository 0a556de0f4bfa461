"""A function's results, by its code and the content of its arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from spacehand_runtime.errors import UncacheableError
from spacehand_runtime.key.content import content_key

if TYPE_CHECKING:
    from spacehand_runtime.cache.cache import Cache

Scope = str | Callable[[], str | None] | None
F = TypeVar("F", bound=Callable[..., Any])


class Memoize(Protocol):
    """A decorator that leaves a function's type as it is."""

    def __call__(self, function: F, /) -> F: ...


def memoize(cache: Cache, *, ttl: float | None, scope: Scope, tags: tuple[str, ...], secure: bool) -> Memoize:
    """Return the decorator that :meth:`Cache.memoize` promises."""

    def decorate(function: F) -> F:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            msg = f"`{function.__qualname__}` yields its results one by one, so they cannot be kept as one"
            raise UncacheableError(msg, hint="Decorate a function that returns all of them")
        key_of = _keys(function, secure=secure)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return cache.get_or_compute(
                key_of(args, kwargs),
                lambda: function(*args, **kwargs),
                ttl=ttl,
                scope=_scope_now(scope),
                tags=tags,
            )

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            return await cache.get_or_compute_async(
                key_of(args, kwargs),
                lambda: function(*args, **kwargs),
                ttl=ttl,
                scope=_scope_now(scope),
                tags=tags,
            )

        def find(default: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return cache.get(key_of(args, kwargs), default, scope=_scope_now(scope))

        wrapper: Any = call_async if inspect.iscoroutinefunction(function) else call
        wrapper.spacehand_cache = cache
        wrapper.spacehand_find = find  # for adapters: what is there already, without computing
        return cast("F", wrapper)

    return decorate


def _keys(function: Callable[..., Any], *, secure: bool) -> Callable[[tuple[Any, ...], dict[str, Any]], str]:
    """Return what makes the key of a call; spelling an argument by name or by place is the same call."""
    signature = inspect.signature(function)
    name = f"{function.__module__}.{function.__qualname__}"
    known: str | None = None

    def key_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        nonlocal known
        # At the first call, as what the function uses may stand below it; with a closure, at each.
        code = known or content_key(function, secure=secure)
        if not getattr(function, "__closure__", None):
            known = code
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        named = [
            (
                label,
                sorted(value.items())
                if signature.parameters[label].kind is inspect.Parameter.VAR_KEYWORD
                else value,
            )
            for label, value in bound.arguments.items()
        ]
        return f"{name}:{content_key(code, named, secure=secure)}"

    return key_of


def _scope_now(scope: Scope) -> str | None:
    if scope is None or isinstance(scope, str):
        return scope
    return scope() or ""  # nothing: refused by the cache, never everybody's
