"""
Metrics and scopes for Streamlit, from version 1.53 on, where an app can be started as ``st.App``.

    metrics = Metrics()
    app = st.App("page.py", middleware=observe(metrics))

Keep *metrics* and the cache in a module that the page imports: the page itself runs anew at each click.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from spacehand_runtime.asgi import Observed, Scope
from spacehand_runtime.metrics.metrics import Metrics

__all__ = ["current_user", "observe"]


def observe(metrics: Metrics) -> list[Any]:
    """
    Return the middleware for ``st.App`` that answers ``/spacehand/``, and counts sessions and page loads.

    A session is as long as its WebSocket. Put ``with metrics.request():`` around an analysis: a run of the
    script is no request of HTTP.
    """
    middleware = import_module("starlette.middleware").Middleware
    return [middleware(Observed, metrics=metrics, is_session=_is_session, is_request=_is_request)]


def current_user() -> str | None:
    """Return the address of the user who is logged in, or else this session's id; None outside of one."""
    context = import_module("streamlit.runtime.scriptrunner").get_script_run_ctx(suppress_warning=True)
    if context is None:
        return None
    email = import_module("streamlit").user.get("email")
    return str(email or context.session_id)


def _is_session(scope: Scope, path: str) -> bool:
    return scope["type"] == "websocket" and path.endswith("/_stcore/stream")


def _is_request(scope: Scope, path: str) -> bool:
    """Tell whether this is the page itself, or a file that goes up or down: no scripts and styles."""
    kinds = ("/_stcore/upload_file/", "/media/")
    return scope["type"] == "http" and (path == "/" or any(kind in path for kind in kinds))
