"""
Metrics and scopes for Shiny for Python.

    app = observe(App(ui, server), metrics)

    @cache.memoize(scope=current_user)
    def analyse(data): ...
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, TypeVar

from spacehand_runtime.asgi import Observed, Scope
from spacehand_runtime.metrics.metrics import Metrics

__all__ = ["current_user", "observe"]

A = TypeVar("A")


def observe(app: A, metrics: Metrics) -> A:
    """
    Return *app*, a ``shiny.App``, which now answers ``/spacehand/``, and counts sessions and page loads.

    A session is as long as its WebSocket: from the page's start until the tab is closed. Analyses are no
    requests of HTTP: put ``with metrics.request():`` around them.
    """
    starlette: Any = getattr(app, "starlette_app")  # noqa: B009 - typed without Shiny
    starlette.add_middleware(Observed, metrics=metrics, is_session=_is_session, is_request=_is_request)
    return app


def current_user() -> str | None:
    """
    Return the name of the user who is logged in, or else this session's id; None outside of a session.

    In an ``ExtendedTask`` there is no session: ask before, and hand it over.
    """
    session = import_module("shiny.session").get_current_session()
    if session is None:
        return None
    session = session.root_scope()
    user: str = session.user or session.id
    return user


def _is_session(scope: Scope, path: str) -> bool:
    return scope["type"] == "websocket" and path == "/websocket/"


def _is_request(scope: Scope, path: str) -> bool:
    """Tell whether this is the page itself, or a download or upload of a session: no scripts and styles."""
    return scope["type"] == "http" and (path == "/" or path.startswith("/session/"))
