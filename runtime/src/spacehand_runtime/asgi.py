"""
Metrics of any ASGI app, as a middleware; the adapters for Gradio, Shiny and Streamlit are made of it.

    app.add_middleware(Observed, metrics=metrics)
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

from spacehand_runtime.metrics.endpoints import Answer, answer
from spacehand_runtime.metrics.metrics import Metrics, Observation

__all__ = ["Observed", "client", "current_user"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_user: ContextVar[str | None] = ContextVar("spacehand_user", default=None)


def current_user() -> str | None:
    """
    Return whose request this is, as the ``user=`` of :class:`Observed` tells; None outside of one.

    Made to be a scope: ``@cache.memoize(scope=current_user)``.
    """
    return _user.get()


class Observed:
    """
    An ASGI app that answers ``/spacehand/`` itself, and counts the requests and sessions of *app*.

    *is_session* tells by the path which connection lasts as long as a visit; by default, each WebSocket.
    *is_request* tells which of the others count. *user* returns who is asking, such as the name that a login
    left in the ASGI scope, or None; it must not be what anybody can claim.
    """

    def __init__(
        self,
        app: App,
        metrics: Metrics,
        *,
        is_session: Callable[[Scope, str], bool] = lambda scope, _path: scope["type"] == "websocket",
        is_request: Callable[[Scope, str], bool] = lambda scope, _path: scope["type"] == "http",
        user: Callable[[Scope], str | None] = lambda _scope: None,
    ) -> None:
        self._app, self._metrics = app, metrics
        self._is_session, self._is_request, self._user = is_session, is_request, user

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or count and pass on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path = _path(scope)
        if scope["type"] == "http" and (reply := answer(self._metrics, scope["method"], path)) is not None:
            await _send(reply, scope["method"], send)
            return
        token = _user.set(self._user(scope))
        try:
            await self._counted(scope, path, receive, send)
        finally:
            _user.reset(token)

    async def _counted(self, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        if self._is_session(scope, path):
            session = uuid.uuid4().hex  # one user may have several tabs
            self._metrics.session_began(session, _user.get() or client(scope))
            try:
                await self._app(scope, receive, send)
            finally:
                self._metrics.session_ended(session)
        elif self._is_request(scope, path):
            with self._metrics.request() as observation:
                await self._app(scope, receive, _noticing(observation, send))
        else:
            await self._app(scope, receive, send)


def client(scope: Scope) -> str:
    """
    Return what tells visitors apart well enough for counting: address and browser.

    Never a scope: it can be claimed, and a whole office may share it.
    """
    headers = {name: value.decode("latin-1") for name, value in reversed(scope.get("headers", []))}
    address = headers.get(b"x-forwarded-for", "").partition(",")[0].strip()
    address = address or (scope.get("client") or ("",))[0]
    return f"{address} {headers.get(b'user-agent', '')}"


def _path(scope: Scope) -> str:
    """Return the path below the place where the app is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def _noticing(observation: Observation, send: Send) -> Send:
    """Return *send*, noticing what the answer is: an error, or a stream whose length tells nothing."""

    async def noticing(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            observation.failed = message["status"] >= 500
            kinds = [value for name, value in message.get("headers", []) if name.lower() == b"content-type"]
            observation.counted = not any(kind.startswith(b"text/event-stream") for kind in kinds)
        await send(message)

    return noticing


async def _send(reply: Answer, method: str, send: Send) -> None:
    headers = [("content-type", reply.content_type), ("content-length", str(len(reply.body))), *reply.headers]
    start = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": start})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else reply.body})
