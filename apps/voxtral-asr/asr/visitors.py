"""Who is at the page: what is counted for each client, and what is kept for each session."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gradio as gr

_REMEMBERED = 1024  # sessions; whoever was silent longest is forgotten first


def client(request: gr.Request) -> str:
    """Return who asks: behind the Hub's gateway the last forwarded address is the one it saw itself."""
    forwarded = request.headers.get("x-forwarded-for", "") if os.environ.get("SYSTEM") == "spaces" else ""
    direct = request.client.host if request.client else "unknown"
    return forwarded.rpartition(",")[2].strip() or direct


class Unjudged:
    """The sessions whose last transcript nobody has judged yet: one transcript, one thumb."""

    def __init__(self, most: int = _REMEMBERED) -> None:
        self._most = most
        self._sessions: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def answered(self, session: str) -> None:
        """Let *session* judge its newest transcript."""
        with self._lock:
            self._sessions.pop(session, None)
            self._sessions[session] = None
            if len(self._sessions) > self._most:
                self._sessions.popitem(last=False)

    def judged(self, session: str) -> bool:
        """Return whether *session* had something to judge; from now on it has not."""
        with self._lock:
            return self._sessions.pop(session, False) is None

    def left(self, session: str) -> None:
        """Forget *session*."""
        with self._lock:
            self._sessions.pop(session, None)
